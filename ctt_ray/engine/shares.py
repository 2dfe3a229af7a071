"""How sure each source has been of each class since its stage began: the thresholds that let a share of each class through."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctt_ray.engine.views import Target
from ctt_ray.engine.world import Group
from ctt_ray.maths import labels
from ctt_ray.plan import Plan

BINS = 1000  # of confidence: thresholds are exact to a thousandth


class Shares(nn.Module):
    """A histogram of confidence a class for each source of a route with the gate `class_share`. In the checkpoint."""

    def __init__(self, plan: Plan, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.sources = tuple(dict.fromkeys(r.source for r in plan.routes if r.gate == "class_share"))
        for source in self.sources:
            self.register_buffer(source, torch.zeros(classes, BINS, dtype=torch.int64))

    def see(self, source: str, target: Target, data: Group) -> None:
        """Count the pixels of a batch, those of all workers."""
        valid_BHW = labels.valid(target.label_BHW)
        place_BHW = (target.conf_BHW * BINS).long().clamp(max=BINS - 1)
        index_M = (target.label_BHW.long() * BINS + place_BHW)[valid_BHW]
        counts = torch.bincount(index_M, minlength=self.classes * BINS).view(self.classes, BINS)
        self.get_buffer(source).add_(data.total(counts))

    def threshold_K(self, source: str, keep: float) -> Tensor:
        """The lowest confidence of each class with at least `keep` of the class's pixels at or above it; 0 for one not seen."""
        counts = self.get_buffer(source)
        above = counts.flip(1).cumsum(1).flip(1)  # pixels at or above each bin's lower end
        total = counts.sum(1, keepdim=True)
        enough = (above >= keep * total.double()) & (total > 0)  # float32 cannot count a long run's pixels
        return (enough.sum(1) - 1).clamp(min=0).float() / BINS

    def forget(self) -> None:
        """A new stage has other sources."""
        for source in self.sources:
            self.get_buffer(source).zero_()
