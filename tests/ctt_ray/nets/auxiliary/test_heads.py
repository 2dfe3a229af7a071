"""Projections and selectors."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ctt_ray.nets.auxiliary.projection import CrossSetHead, MemoryHeads, Projection
from ctt_ray.nets.auxiliary.selectors import ClassSelectors

K, T, D = 3, 4, 8
rows = torch.randn(K, T, D, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("norm", [False, True])
def test_a_projection_maps_each_row_by_itself(norm: bool) -> None:
    net = Projection(D, 5, norm=norm)
    out = net(rows)
    assert out.shape == (K, T, 5)
    torch.testing.assert_close(net(rows[1, 2:3]), out[1, 2:3])
    assert net(rows[:0]).shape == (0, T, 5)
    assert sum(p.numel() for p in net.parameters()) == D * 5 + 5 + 5 * 5 + 5 + (10 if norm else 0)


def test_selectors_are_one_network_a_class() -> None:
    net = ClassSelectors(K, D)
    found = net(rows)
    assert found.shape == (K, T) and (found > 0).all() and (found < 1).all()
    for k in range(K):
        hidden = rows[k] @ net.first_KDD[k] + net.bias_KD[k]
        hidden = (hidden - hidden.mean(1, keepdim=True)) / (hidden.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
        score = F.leaky_relu(hidden, 0.2) @ net.last_KD[k] + net.offset_K[k]
        torch.testing.assert_close(found[k], score.sigmoid())
    (grad,) = torch.autograd.grad(found[0].sum(), net.first_KDD)
    assert grad[0].abs().sum() > 0 and grad[1:].abs().sum() == 0


def test_memory_heads_hold_two_heads_and_two_sets_of_selectors() -> None:
    net = MemoryHeads(D, K)
    one = 2 * (D * D + D) + 2 * D
    assert sum(p.numel() for p in net.parameters()) == 2 * one + 2 * (K * (D * D + 2 * D) + K)


def test_thresholds_of_the_cross_set_head_are_saved_and_not_learnt() -> None:
    net = CrossSetHead(D, K, outputs=5, share=0.8)
    assert "thresholds.value_K" in net.state_dict()
    assert len(list(net.parameters())) == 4
