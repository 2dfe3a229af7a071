"""One small network a class that says how much a feature matters."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ClassSelectors(nn.Module):
    """K networks D → D → 1 in three tensors: LayerNorm and LeakyReLU 0.2 between, a sigmoid at the end (arXiv 2104.13415)."""

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        limit = 1 / math.sqrt(dim)  # as torch draws the layers of a perceptron
        self.first_KDD = nn.Parameter(torch.empty(classes, dim, dim).uniform_(-limit, limit))
        self.bias_KD = nn.Parameter(torch.empty(classes, dim).uniform_(-limit, limit))
        self.last_KD = nn.Parameter(torch.empty(classes, dim).uniform_(-limit, limit))
        self.offset_K = nn.Parameter(torch.zeros(classes))

    def forward(self, rows_KTD: Tensor) -> Tensor:
        """Rows of each class to weight_KT in (0, 1)."""
        hidden_KTD = torch.baddbmm(self.bias_KD[:, None], rows_KTD.to(self.first_KDD), self.first_KDD)
        hidden_KTD = F.leaky_relu(F.layer_norm(hidden_KTD, hidden_KTD.shape[2:]), 0.2)
        return torch.sigmoid((hidden_KTD * self.last_KD[:, None]).sum(2) + self.offset_K[:, None])
