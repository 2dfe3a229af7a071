"""Every global step has the same samples, whatever the workers, the loader processes, the kills and the resizes before it.

A kill is what it is to a stream: it is gone, and the run goes on from an older state, maybe with other workers, and does the
steps since then again. Which row a sample shows is read off its pixels, so the real reader is between order and test.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctt_ray.batch import Batch, Samples
from ctt_ray.stream import SegStream
from ctt_ray.stream.order import permutation, sample_key
from ctt_ray.stream.shares import Counters, Lane, Shares
from data_prep.shards import Row

SHARDS = (4, 1, 7, 18, 8)
ROWS = sum(SHARDS)
FEW = (0, 3, 5, 14, 20, 31, 37)
SIDES = (30, 44)  # height and width: with these crops and scales some views leave the image and none leaves it whole
VIEW = {"crop": (24, 20), "scale": (0.5, 2.0), "flip": 0.5, "rotation": 0.0}
WORLDS = (1, 2, 3, 5)


class Sample(NamedTuple):
    """One sample of a global step: half 0 is the labelled one."""

    half: int
    number: int
    row: int
    key: int
    image: bytes
    label: bytes


Step = frozenset[Sample]


class Leg(NamedTuple):
    """A start of the run: so many workers with so many loader processes each do so many steps, and are killed; `lost` of them
    came after the last checkpoint."""

    world: int
    loaders: int
    steps: int
    lost: int


@dataclass(frozen=True)
class Setting:
    folder: Path
    seed: int
    batch_labelled: int
    batch_unlabelled: int
    labelled: str = "few"
    labelled_as_unlabelled: bool = False

    def stream(self, **more: Any) -> SegStream:
        return SegStream(
            self.folder, labelled=self.labelled, labelled_as_unlabelled=self.labelled_as_unlabelled, seed=self.seed,
            batch_labelled=self.batch_labelled, batch_unlabelled=self.batch_unlabelled, **VIEW, **more,
        )  # fmt: skip


def colour_of(row: int) -> int:
    """The red of a row's picture, everywhere in it: no interpolation changes it. 124 is padding."""
    return 6 * row + 1


def seen(half: int, samples: Samples) -> Step:
    found = []
    for image_3HW, label_HW, key, number in zip(
        samples.image_B3HW.numpy(), samples.label_BHW.numpy(), samples.key_B.tolist(), samples.number_B.tolist(), strict=True
    ):  # fmt: skip
        (red,) = set(np.unique(image_3HW[0]).tolist()) - {124}
        found.append(Sample(half, number, (red - 1) // 6, key, image_3HW.tobytes(), label_HW.tobytes()))
    return frozenset(found)


def together(batches: Sequence[Batch]) -> Step:
    """What all workers of a step have. No sample is taken by two of them."""
    shares = [seen(half, part) for batch in batches for half, part in enumerate((batch.labelled, batch.unlabelled))]
    step = frozenset[Sample]().union(*shares)
    assert len(step) == sum(map(len, shares))
    return step


@cache
def uninterrupted(setting: Setting, steps: int) -> list[Step]:
    """One worker, no loader processes, no kill."""
    return [together([batch]) for batch in islice(setting.stream(), steps)]


def play(setting: Setting, legs: Sequence[Leg]) -> list[tuple[int, Step]]:
    """(step, its samples) in the order in which the starts of a run did them, those that were done again included."""
    state: dict[str, int] | None = None
    at, done = 0, []
    for leg in legs:
        workers = [setting.stream(rank=rank, world=leg.world, loaders=leg.loaders) for rank in range(leg.world)]
        if state is not None:
            for worker in workers:
                worker.load_state(json.loads(json.dumps(state)))
        living = [iter(worker) for worker in workers]
        states = [workers[0].state()]
        for step in range(at, at + leg.steps):
            done.append((step, together([next(batches) for batches in living])))
            (one,) = {tuple(worker.state().items()) for worker in workers}  # any worker's state is everybody's
            states.append(dict(one))
        kept = max(0, leg.steps - leg.lost)
        state, at = states[kept], at + kept
    return done


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, data_writer: Callable[..., Path], split_writer: Callable[..., None]
) -> Path:
    """Row n is red n everywhere, its green and blue say where in the picture; every fifth row but those of FEW has no mask."""
    rows = [_row(number, masked=number % 5 != 2 or number in FEW) for number in range(ROWS)]
    ends = np.cumsum(SHARDS)
    parts = [rows[end - size : end] for end, size in zip(ends, SHARDS, strict=True)]
    made = data_writer(tmp_path_factory.mktemp("numbered"), {"train": parts})
    split_writer(made, "few", [f"row{number}" for number in FEW])
    return made


def _row(number: int, *, masked: bool) -> Row:
    height, width = SIDES
    y, x = np.mgrid[:height, :width]
    red = np.full_like(y, colour_of(number))
    image = np.stack([x * 5, y * 8, red], axis=2).astype(np.uint8)  # OpenCV writes blue first
    mask = ((y // 6 + x // 7 + number) % 4).astype(np.uint8)
    encoded = [cv2.imencode(".png", pixels)[1].tobytes() for pixels in (image, mask)]
    return Row(
        f"row{number}", encoded[0], encoded[1] if masked else None, height, width, (0, 1, 2, 3) if masked else None
    )


legs = st.builds(
    Leg, st.sampled_from(WORLDS), st.just(0), st.integers(0, 6), st.integers(0, 6)
)  # a start that is killed before its first step, and one of which nothing is kept, are among them


@settings(max_examples=40, deadline=None)
@given(
    st.lists(legs, min_size=1, max_size=5), st.integers(0, 2**60), st.integers(5, 8), st.sampled_from([0, 5, 7, 10]),
    st.sampled_from([("few", False), ("few", True), ("all", False)]),
)  # fmt: skip
def test_kills_and_resizes_change_no_step(
    folder: Path, legs: list[Leg], seed: int, batch_labelled: int, batch_unlabelled: int, halves: tuple[str, bool]
) -> None:
    setting = Setting(folder, seed, batch_labelled, batch_unlabelled, *halves)
    done = play(setting, [*legs, Leg(1, 0, 1, 0)])
    expected = uninterrupted(setting, max(step for step, _ in done) + 1)
    assert {step for step, _ in done} == set(range(len(expected)))
    for step, samples in done:
        assert samples == expected[step], f"step {step}"


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(("labelled", "as_unlabelled"), [("few", False), ("few", True), ("all", False)])
def test_every_epoch_shows_every_row_once_in_spite_of_kills(
    folder: Path, world: int, labelled: str, as_unlabelled: bool
) -> None:
    """Two epochs of each half, killed after every second step; what counts is what the last to do a step took for it."""
    setting = Setting(folder, 11, 5, 7, labelled, as_unlabelled)
    whole = setting.stream()
    numbers = 2 * max(whole.labelled_count, whole.unlabelled_count)
    done = dict(play(setting, [Leg(world, 0, 3, 1)] * (numbers // 5 // 2 + 1)))
    kept = [sample for samples in done.values() for sample in samples]
    few, everything = set(FEW), set(range(ROWS))
    shown = few if labelled == "few" else {row for row in everything if row % 5 != 2 or row in few}
    rest = everything if as_unlabelled else everything - shown
    for half, rows in enumerate((shown, rest)):
        row_of = {sample.number: sample.row for sample in kept if sample.half == half}
        for epoch in (0, 1):
            size = len(rows)
            assert Counter(row_of[epoch * size + place] for place in range(size)) == dict.fromkeys(rows, 1)


def test_loader_processes_that_are_killed_and_changed_change_no_step(folder: Path) -> None:
    """Each start leaves batches behind that were prepared and never asked for; two of them hold a share of an odd batch."""
    setting = Setting(folder, 5, 5, 7)
    done = play(setting, [Leg(1, 2, 3, 1), Leg(2, 1, 4, 2), Leg(3, 0, 2, 0), Leg(1, 1, 2, 0)])
    expected = uninterrupted(setting, 8)
    assert [step for step, _ in done] == [0, 1, 2, 2, 3, 4, 5, 4, 5, 6, 7]
    for step, samples in done:
        assert samples == expected[step], f"step {step}"


def test_a_loader_process_that_is_really_killed_ends_the_stream_and_loses_nothing(folder: Path) -> None:
    """It is not passed over in silence; a new stream goes on from the state of the last batch that was handed out."""
    setting = Setting(folder, 6, 5, 7)
    before = set(multiprocessing.active_children())
    source = setting.stream(loaders=1)
    batches = iter(source)
    taken = [together([next(batches)]) for _ in range(2)]
    (process,) = set(multiprocessing.active_children()) - before
    with pytest.raises((RuntimeError, EOFError)):
        process.kill()
        time.sleep(5)  # torch hears of the death and raises here; if not, it shows at the next batch
        for batch in batches:
            taken.append(together([batch]))
    second = setting.stream(loaders=0)
    second.load_state(source.state())
    taken += [together([batch]) for batch in islice(second, 3)]
    assert taken == uninterrupted(setting, len(taken))


shard_sizes = st.lists(st.integers(0, 9), min_size=1, max_size=9).filter(any).map(tuple)


@settings(max_examples=200, deadline=None)
@given(
    shard_sizes, st.lists(legs, min_size=1, max_size=6), st.integers(0, 2**63 - 1), st.integers(5, 13), st.integers(5, 13)
)  # fmt: skip
def test_counters_alone_for_many_shapes(
    shards: tuple[int, ...], legs: list[Leg], seed: int, batch_labelled: int, batch_unlabelled: int
) -> None:
    """The same without reading, for any shards: a step's samples follow from its number by the order's definition."""
    size = sum(shards)
    rows = 3 * np.arange(size, dtype=np.int64)
    lanes = [Lane(half, rows, shards, batch) for half, batch in enumerate((batch_labelled, batch_unlabelled))]
    at = Counters(0, 0, seed)
    for leg in legs:
        crew = [Shares(*lanes, rank=rank, world=leg.world) for rank in range(leg.world)]
        states = [at]
        for _ in range(leg.steps):
            wanted = [worker.wanted(states[-1]) for worker in crew]
            for half, lane in enumerate(lanes):
                first = (states[-1].labelled, states[-1].unlabelled)[half]
                found = sorted((s.number, s.row, s.key) for share in wanted for s in share[half])
                assert found == [
                    (n, 3 * int(permutation(seed, half, n // size, shards)[n % size]), sample_key(seed, half, n))
                    for n in range(first, first + lane.batch)
                ]
            states.append(crew[-1].after(states[-1]))
        at = states[max(0, leg.steps - leg.lost)]
