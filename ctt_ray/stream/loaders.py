"""Batches made in this process, or ahead of need by loader processes: the same ones either way."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import torch
from torch.utils.data import DataLoader

from ctt_ray.batch import Batch
from ctt_ray.stream.shares import Counters, Shares
from ctt_ray.stream.source import BatchSource, BatchWanted
from data_prep.schema import DataError

Made = Batch | DataError
PREFETCH = 2  # batches each loader process prepares ahead


class Loaders:
    """`processes` spawned loader processes, kept alive between iterations; 0 = all in this process."""

    def __init__(self, source: BatchSource, shares: Shares, processes: int) -> None:
        if processes < 0:
            raise ValueError(f"loaders={processes}: needed is 0 (none, all in this process) or more.")
        self._source = source
        self._shares = shares
        self._processes = processes
        self._sampler = _Sampler(shares)
        self._loader: DataLoader[Made] | None = None
        one_thread()

    def batches(self, start: Counters) -> Iterator[Made]:
        """The batches from `start` on, without end."""
        if self._processes == 0:
            return map(self._source.__getitem__, self._shares.forever(start))
        if self._loader is None:
            self._loader = self._start()
        self._sampler.start = start
        return iter(self._loader)

    def _start(self) -> DataLoader[Made]:
        return DataLoader(
            self._source,  # type: ignore[arg-type]  # any object with __getitem__ will do
            batch_size=None,  # an item is a whole batch already
            sampler=self._sampler,
            collate_fn=_as_it_is,  # type: ignore[arg-type]  # torch's type knows lists of samples only
            num_workers=self._processes,
            multiprocessing_context="spawn",  # a fork would copy CUDA's and Ray's threads in whatever state they are
            prefetch_factor=PREFETCH,
            persistent_workers=True,
            worker_init_fn=one_thread,
            generator=torch.Generator(),  # without one of its own the loader draws from the global generator
        )


class _Sampler:
    """What the loader processes shall make next: begins at `start` whenever an iteration begins."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self.start = Counters(0, 0, 0)

    def __iter__(self) -> Iterator[BatchWanted]:
        return self._shares.forever(self.start)


def _as_it_is(made: Made) -> Made:
    return made


def one_thread(_process: int = 0) -> None:
    """OpenCV works in one thread of this process: the parallelism is in loader processes and in trials."""
    cv2.setNumThreads(1)
