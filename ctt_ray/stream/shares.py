"""What each worker takes of each global step, as a function of counters and seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest

from ctt_ray.stream.order import coming, row_at, sample_key, worker_numbers
from ctt_ray.stream.rows import Rows
from ctt_ray.stream.source import BatchWanted, Wanted

AHEAD = 64  # steps: more than loader processes prepare, and a few labelled images may lie in many shards


@dataclass(frozen=True, eq=False)
class Lane:
    """One of the two streams. stream: its number, a part of every sample's seed. rows: the rows of train it shows,
    ascending. shards: how many of them lie in each shard. batch: global samples a step, 0 for none."""

    stream: int
    rows: Rows
    shards: tuple[int, ...]
    batch: int

    def share(self, seed: int, counter: int, rank: int, world: int) -> tuple[Wanted, ...]:
        """The samples of worker `rank` in the step that starts at global sample `counter`."""
        return tuple(
            Wanted(
                row=int(self.rows[row_at(seed, self.stream, number, self.shards)]),
                key=sample_key(seed, self.stream, number),
                number=number,
            )
            for number in worker_numbers(counter, self.batch, rank, world)
        )

    def ahead(self, seed: int, counter: int) -> Iterator[tuple[int, ...]]:
        """Shards shuffled together, from the window of global sample `counter` on: the next one too, and as many as AHEAD steps
        go through."""
        if not self.batch:
            return
        left = AHEAD * self.batch
        for place, window in enumerate(coming(seed, self.stream, counter, self.shards)):
            if place > 1 and left <= 0:
                return
            yield window
            left -= sum(self.shards[shard] for shard in window)


@dataclass(frozen=True)
class Counters:
    """Global samples taken from each stream, and the run's seed: the whole state of the data."""

    labelled: int
    unlabelled: int
    seed: int


@dataclass(frozen=True)
class Shares:
    """The share of worker `rank` of `world` in every step from any counters on."""

    labelled: Lane
    unlabelled: Lane
    rank: int
    world: int

    def after(self, at: Counters) -> Counters:
        """The counters one step later."""
        return Counters(at.labelled + self.labelled.batch, at.unlabelled + self.unlabelled.batch, at.seed)

    def wanted(self, at: Counters) -> BatchWanted:
        """This worker's share of the step that starts at `at`."""
        return BatchWanted(
            labelled=self.labelled.share(at.seed, at.labelled, self.rank, self.world),
            unlabelled=self.unlabelled.share(at.seed, at.unlabelled, self.rank, self.world),
        )

    def ahead(self, at: Counters) -> Iterator[int]:
        """Shards that the steps from `at` on read, of both streams, soonest first."""
        both = zip_longest(
            self.labelled.ahead(at.seed, at.labelled), self.unlabelled.ahead(at.seed, at.unlabelled), fillvalue=()
        )
        return chain.from_iterable(chain.from_iterable(both))

    def forever(self, at: Counters) -> Iterator[BatchWanted]:
        """The shares of all steps from `at` on."""
        while True:
            yield self.wanted(at)
            at = self.after(at)
