"""From a list of what is wanted to a Batch: reading, decoding and the weak view, in this or in a loader process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from ctt_ray.batch import Batch, Samples
from ctt_ray.stream.memory import Memory
from ctt_ray.stream.reader import ShardReader
from ctt_ray.stream.views import ViewSpec, weak_view_into
from data_prep.schema import PADDING, VOID, DataError


class Wanted(NamedTuple):
    """One sample: its row of train, its own seed, its global number."""

    row: int
    key: int
    number: int


class BatchWanted(NamedTuple):
    """One worker's share of a step."""

    labelled: tuple[Wanted, ...]
    unlabelled: tuple[Wanted, ...]


class BatchSource:
    """Maps a BatchWanted to its Batch: nothing but its arguments decides the result."""

    def __init__(self, reader: ShardReader, spec: ViewSpec) -> None:
        self._reader = reader
        self._spec = spec
        self._memory = Memory()

    def __getitem__(self, wanted: BatchWanted) -> Batch | DataError:
        """The batch, or the error that reading it met: an exception raised in a loader process would lose its text in
        that process's traceback."""
        try:
            return Batch(
                labelled=self._samples(wanted.labelled, fill_label=VOID),
                unlabelled=self._samples(wanted.unlabelled, fill_label=PADDING),
            )
        except DataError as error:
            return error

    def _samples(self, wanted: Sequence[Wanted], *, fill_label: int) -> Samples:
        image_BHW3 = self._memory.take((len(wanted), *self._spec.crop, 3))
        label_BHW = self._memory.take((len(wanted), *self._spec.crop))
        # together, before the first JPEG: caches that one has just filled make each look-up and each seed take five times as long
        stored = [self._reader.stored(sample.row) for sample in wanted]
        rngs = [np.random.Generator(np.random.PCG64(sample.key)) for sample in wanted]
        for *target, row, rng in zip(image_BHW3, label_BHW, stored, rngs, strict=True):
            # decoded images are arguments alone, so that one is gone before the next is made in its place
            weak_view_into(target, *self._reader.decoded(row), self._spec, rng, fill_label=fill_label)
        return Samples(
            image_B3HW=torch.from_numpy(image_BHW3).permute(0, 3, 1, 2),
            label_BHW=torch.from_numpy(label_BHW),
            key_B=torch.tensor([sample.key for sample in wanted], dtype=torch.int64),
            number_B=torch.tensor([sample.number for sample in wanted], dtype=torch.int64),
        )
