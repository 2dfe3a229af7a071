"""From a list of what is wanted to a Batch: reading, decoding and the weak view, in this or in a loader process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from ctt_ray.batch import Batch, Samples
from ctt_ray.stream.decode import Pixels
from ctt_ray.stream.reader import ShardReader
from ctt_ray.stream.views import ViewSpec, weak_view
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
        views = [self._view(sample, fill_label) for sample in wanted]
        image_BHW3 = np.stack([image for image, _ in views]) if views else np.zeros((0, *self._spec.crop, 3), np.uint8)
        label_BHW = np.stack([label for _, label in views]) if views else np.zeros((0, *self._spec.crop), np.uint8)
        return Samples(
            image_B3HW=torch.from_numpy(image_BHW3).permute(0, 3, 1, 2).contiguous(),
            label_BHW=torch.from_numpy(label_BHW),
            key_B=torch.tensor([sample.key for sample in wanted], dtype=torch.int64),
            number_B=torch.tensor([sample.number for sample in wanted], dtype=torch.int64),
        )

    def _view(self, sample: Wanted, fill_label: int) -> tuple[Pixels, Pixels]:
        _, image, mask = self._reader.read(sample.row)
        rng = np.random.Generator(np.random.PCG64(sample.key))
        return weak_view(image, mask, self._spec, rng, fill_label=fill_label)
