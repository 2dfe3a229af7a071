"""A confidence threshold a class, that follows what the network says of it.

Zhou et al., C3-SemiSeg: Contrastive Semi-supervised Segmentation via Cross-set Learning and Dynamic Class-balancing,
ICCV 2021."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctt_ray.maths.labels import valid

BINS = 4096  # of confidence in [0, 1]: finer than the float16 in which confidences travel


def histogram(label_M: Tensor, conf_M: Tensor, classes: int) -> Tensor:
    """count_KB, float32: valid pixels of each predicted class by confidence, to be added over the workers."""
    bin_M = (conf_M.float() * BINS).long().clamp(0, BINS - 1)
    known_M = valid(label_M) & (label_M < classes)
    index_M = torch.where(known_M, label_M, 0).long() * BINS + bin_M
    count = torch.zeros(classes * BINS, device=label_M.device)
    return count.scatter_add_(0, index_M, known_M.float()).view(classes, BINS)


class ClassThresholds(nn.Module):
    """value_K: moving averages of the confidence that the surest `share` of each class reaches. A buffer, so it is saved.

    share: in (0, 1].   decay: of the average. A class starts at 0, which lets everything pass, and its first update sets it."""

    value_K: Tensor

    def __init__(self, classes: int, *, share: float, decay: float) -> None:
        super().__init__()
        if not 0 < share <= 1:
            raise ValueError(f"share must be in (0, 1], found {share}; 1 keeps every pixel of a class")
        self.share, self.decay = share, decay
        self.register_buffer("value_K", torch.zeros(classes))

    @torch.no_grad()
    def update(self, count_KB: Tensor) -> None:
        """Move towards the quantiles of `histogram` (all workers'); a class that nobody predicted stays."""
        total_K1 = count_KB.sum(1, keepdim=True)
        surer_KB = count_KB.flip(1).cumsum(1).flip(1)  # pixels in this bin or above
        reached_KB = surer_KB >= (self.share * total_K1).clamp(min=1)
        edge_K = (reached_KB.sum(1) - 1).clamp(min=0) / BINS  # reached up to here, as the sums only fall
        moved_K = torch.where(self.value_K > 0, self.decay * self.value_K + (1 - self.decay) * edge_K, edge_K)
        self.value_K.copy_(torch.where(total_K1.squeeze(1) > 0, moved_K, self.value_K))

    def passes(self, label_M: Tensor, conf_M: Tensor) -> Tensor:
        """bool, any shape: a valid label whose confidence reaches its class's threshold."""
        known_M = valid(label_M) & (label_M < len(self.value_K))
        return known_M & (conf_M >= self.value_K[torch.where(known_M, label_M, 0).long()])
