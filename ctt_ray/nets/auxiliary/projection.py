"""Heads that turn features into rows to be compared."""

from __future__ import annotations

from torch import Tensor, nn

from ctt_ray.maths.thresholds import ClassThresholds
from ctt_ray.nets.auxiliary.selectors import ClassSelectors


class Projection(nn.Module):
    """Two linear layers over the last dimension with ReLU between: (..., inputs) to (..., outputs).

    norm: LayerNorm before the ReLU; it knows no batch, so that a row's result does not depend on its company."""

    def __init__(self, inputs: int, outputs: int, *, norm: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, outputs),
            nn.LayerNorm(outputs) if norm else nn.Identity(),
            nn.ReLU(inplace=True),
            nn.Linear(outputs, outputs),
        )

    def forward(self, rows_MC: Tensor) -> Tensor:
        return self.layers(rows_MC)


class MemoryHeads(nn.Module):
    """Projection, prediction and two importance networks a class, one for features and one for the memory (arXiv 2104.13415)."""

    def __init__(self, feature_dim: int, classes: int) -> None:
        super().__init__()
        self.projection = Projection(feature_dim, feature_dim, norm=True)
        self.prediction = Projection(feature_dim, feature_dim, norm=True)
        self.feature_selectors = ClassSelectors(classes, feature_dim)
        self.memory_selectors = ClassSelectors(classes, feature_dim)


class CrossSetHead(nn.Module):
    """C3-SemiSeg's projection and its moving class thresholds, which are buffers and so in every checkpoint."""

    def __init__(self, inputs: int, classes: int, *, outputs: int, share: float, decay: float = 0.9) -> None:
        super().__init__()
        self.projection = Projection(inputs, outputs)
        self.thresholds = ClassThresholds(classes, share=share, decay=decay)
