"""The one hand-over from stream to engine."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """Some images after the weak view (scale, crop, flip), not yet normalised.

    image_B3HW: uint8 RGB.
    label_BHW:  uint8 train ids; 255 void, 254 padding outside an unlabelled image. For unlabelled images whose truth is known
                to the data set the ids are there for diagnostics only: no loss reads them, and 255 stands where nothing is known.
    key_B:      int64, the sample's own seed, made of (run seed, stream, sample number): every later random draw about
                this sample (colour, blur, mixing) comes from it, so it does not depend on the worker that draws.
    number_B:   int64, the global sample number in its stream.
    """

    image_B3HW: Tensor
    label_BHW: Tensor
    key_B: Tensor
    number_B: Tensor

    def to(self, device: torch.device) -> Samples:
        """Images and labels on `device`; keys and numbers stay on the host, where they are read."""
        return Samples(
            self.image_B3HW.to(device, non_blocking=True),
            self.label_BHW.to(device, non_blocking=True),
            self.key_B,
            self.number_B,
        )

    def __len__(self) -> int:
        return len(self.key_B)


@dataclass(frozen=True)
class Batch:
    """One worker's share of a global step. `unlabelled` is empty (length 0) for purely supervised methods."""

    labelled: Samples
    unlabelled: Samples
