"""The training stream: an infinite run of batches whose whole state is two counters and a seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ctt_ray.batch import Batch
from ctt_ray.stream.ahead import Ahead
from ctt_ray.stream.loaders import Loaders
from ctt_ray.stream.reader import ShardReader
from ctt_ray.stream.rows import TRAIN, choose_rows
from ctt_ray.stream.shares import Counters, Lane, Shares
from ctt_ray.stream.source import BatchSource
from ctt_ray.stream.views import ViewSpec
from data_prep.parts import Part
from data_prep.schema import DataError, Manifest

_LABELLED, _UNLABELLED = 0, 1  # stream numbers


class SegStream:
    """Labelled and unlabelled batches of a prepared data set, the same ones for any number of workers and loaders.

    Iterating is infinite and goes on where the counters stand; one iterator lives at a time. Loader processes are
    spawned: a script that asks for them needs the usual `if __name__ == "__main__"`."""

    def __init__(
        self,
        folder: str | Path,
        *,
        labelled: str,
        crop: tuple[int, int],
        scale: tuple[float, float],
        flip: float,
        rotation: float,
        batch_labelled: int,
        batch_unlabelled: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        loaders: int = 0,
        labelled_as_unlabelled: bool = False,
        held_out: Part | None = None,
    ) -> None:
        """labelled: a name in splits/, or "all" (see `choose_rows`, also for what is unlabelled then). Batch sizes are
        global; this worker, `rank` of `world`, yields its share. batch_unlabelled 0: that half of a batch is empty.
        crop, scale, flip, rotation: see ViewSpec. held_out: a part of the labelled images that neither half shows.
        Raises ValueError for settings, DataError for data that do not work.
        """
        _check(batch_labelled, batch_unlabelled, seed, rank, world)
        self._reader = ShardReader(folder, TRAIN)
        rows = choose_rows(self._reader, labelled, labelled_as_unlabelled=labelled_as_unlabelled, held_out=held_out)
        per_shard = self._reader.rows_per_shard
        self._shares = Shares(
            labelled=Lane(_LABELLED, rows.labelled, per_shard(rows.labelled), batch_labelled),
            unlabelled=Lane(_UNLABELLED, rows.unlabelled, per_shard(rows.unlabelled), batch_unlabelled),
            rank=rank,
            world=world,
        )
        self._loaders = Loaders(BatchSource(self._reader, ViewSpec(crop, scale, flip, rotation)), self._shares, loaders)
        self._counters = Counters(0, 0, seed)
        self._turn = 0  # which iterator is the living one

    @cached_property
    def _ahead(self) -> Ahead:
        """Begins with the first iteration: who only looks at a data set fetches nothing of it."""
        return Ahead(self._reader)

    @property
    def manifest(self) -> Manifest:
        return self._reader.manifest

    @property
    def labelled_count(self) -> int:
        return len(self._shares.labelled.rows)

    @property
    def unlabelled_count(self) -> int:
        return len(self._shares.unlabelled.rows)

    @cached_property
    def labelled_pixels_K(self) -> Tensor:
        """int64: pixels of each class in the labelled masks at their stored size, read from the masks on first use."""
        split = self.manifest.splits[TRAIN]
        if self.labelled_count == split.with_mask:
            return torch.tensor(split.pixels, dtype=torch.int64)
        counts = np.zeros(256, np.int64)
        for row in self._shares.labelled.rows.tolist():
            counts += np.bincount(np.ravel(self._reader.mask(row)), minlength=256)
        return torch.from_numpy(counts[: len(self.manifest.classes)])

    @cached_property
    def labelled_images_per_class(self) -> tuple[int, ...]:
        """How many labelled images show each class."""
        present = self._reader.column("classes")
        shown = [class_ for row in self._shares.labelled.rows.tolist() for class_ in present[row]]
        return tuple(np.bincount(np.array(shown, np.int64), minlength=len(self.manifest.classes)).tolist())

    def traffic(self) -> dict[str, float]:
        """MiB that this process has fetched from a store so far, and how often a shard was in the cache; nothing of a folder."""
        files = self._reader.files
        return (
            {"data_fetched_mib": round(files.fetched / 2**20, 3), "data_cache_hits": files.hits} if files.remote else {}
        )

    def state(self) -> dict[str, int]:
        """What resumes this stream exactly, with any number of workers: the global samples in the batches yielded so
        far (not what loader processes prepared ahead) as `labelled` and `unlabelled`, and the `seed`."""
        return asdict(self._counters)

    def load_state(self, state: Mapping[str, int]) -> None:
        """Go on from `state`, its seed included. Ends the living iterator: start a new one."""
        self._counters = Counters(state["labelled"], state["unlabelled"], state["seed"])
        self._turn += 1

    def __iter__(self) -> Iterator[Batch]:
        self._turn += 1
        return self._run(self._turn)

    def _run(self, turn: int) -> Iterator[Batch]:
        self._ahead.want(self._shares.ahead(self._counters))
        for batch in self._loaders.batches(self._counters):
            if turn != self._turn:
                raise RuntimeError("this iterator ended when another began or a state was loaded; call iter() again")
            if isinstance(batch, DataError):
                raise batch
            self._counters = self._shares.after(self._counters)
            self._ahead.want(self._shares.ahead(self._counters))
            yield batch


def _check(batch_labelled: int, batch_unlabelled: int, seed: int, rank: int, world: int) -> None:
    if seed < 0:
        raise ValueError(f"seed={seed}: needed is 0 or more.")
    if not 0 <= rank < world:
        raise ValueError(f"rank={rank} of world={world}: ranks are 0..world-1.")
    if batch_labelled < world or (batch_unlabelled != 0 and batch_unlabelled < world):
        raise ValueError(
            f"batch_labelled={batch_labelled} and batch_unlabelled={batch_unlabelled} are global and every one of the "
            f"{world} workers needs a sample of each. Use larger batches or fewer workers."
        )
