"""The order of samples as a function: nothing here remembers anything.

A stream is infinite and its samples are numbered 0, 1, 2, ... over all workers. Number `n` belongs to epoch n // N and
stands at position n % N of that epoch's permutation, so the whole state of a stream is one number, whatever the number
of workers or loader processes that read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

WINDOW_SHARDS = 4  # shards whose rows are shuffled together: a pass needs this many shards at hand, each of them once
_KEY = (1,)  # sets the seeds of samples apart from those of epochs; without it number 7 and epoch 7 would share one


def row_at(seed: int, stream: int, number: int, shards: tuple[int, ...]) -> int:
    """The row, in [0, N), of global sample `number` of a stream.

    shards: how many rows of the stream each shard holds, in order; they sum to N >= 1. Rows are counted over them.
    Within one epoch (N consecutive numbers from a multiple of N on) every row comes exactly once."""
    epoch, position = divmod(number, sum(shards))
    return int(permutation(seed, stream, epoch, shards)[position])


@lru_cache(maxsize=8)  # two streams, each with two epochs in flight at its boundary, twice over
def permutation(seed: int, stream: int, epoch: int, shards: tuple[int, ...]) -> NDArray[np.int64]:
    """The rows 0..N-1 in the order of one epoch, read-only.

    Shards are put in random order, then rows are shuffled inside windows of WINDOW_SHARDS of them."""
    draw = _draw(seed, stream, epoch)
    starts = np.cumsum([0, *shards])
    parts = []
    for window in _cut(draw, shards):
        rows = [np.arange(starts[shard], starts[shard + 1]) for shard in window]
        parts.append(draw.permutation(np.concatenate(rows)))
    result = np.concatenate(parts).astype(np.int64)
    result.flags.writeable = False
    return result


@lru_cache(maxsize=8)
def windows(seed: int, stream: int, epoch: int, shards: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The shards whose rows are shuffled together, in the order of one epoch: every shard that has rows, once."""
    return _cut(_draw(seed, stream, epoch), shards)


def _draw(seed: int, stream: int, epoch: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream, epoch])))


def _cut(draw: np.random.Generator, shards: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    filled = [shard for shard, rows in enumerate(shards) if rows > 0]
    order = [filled[place] for place in draw.permutation(len(filled))]
    return tuple(tuple(order[first : first + WINDOW_SHARDS]) for first in range(0, len(order), WINDOW_SHARDS))


def coming(seed: int, stream: int, number: int, shards: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The windows from the one of global sample `number` on, without end."""
    epoch, position = divmod(number, sum(shards))
    while True:
        for window in windows(seed, stream, epoch, shards):
            position -= sum(shards[shard] for shard in window)
            if position < 0:
                yield window
        epoch, position = epoch + 1, -1


def sample_key(seed: int, stream: int, number: int) -> int:
    """The sample's own seed, in [0, 2^63): every random draw about this sample is made from it."""
    sequence = np.random.SeedSequence([seed, stream, number], spawn_key=_KEY)
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def worker_numbers(counter: int, batch: int, rank: int, world: int) -> range:
    """The numbers worker `rank` of `world` takes of the global batch that starts at `counter`."""
    return range(counter + rank, counter + batch, world)
