"""Positive-only contrast against loops over classes, rows and memories."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ctt_ray.maths import contrast, positives

K, T, N, D = 3, 4, 5, 6


def scene() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    feat = contrast.normalise(torch.randn(K, T, D, dtype=torch.float64), 2)
    memory = contrast.normalise(torch.randn(K, N, D, dtype=torch.float64), 2)
    weight_t, weight_n = torch.rand(K, T), torch.rand(K, N)
    weight_t[0, 2:] = 0  # two rows of class 0 do not count
    weight_n[1, 3:] = 0  # and two of class 1's memory
    return feat, memory, weight_t, weight_n


def test_class_means_equal_the_papers_rescaled_weights() -> None:
    feat, memory, weight_t, weight_n = scene()
    total, mass = positives.class_sums(feat, memory, weight_t, weight_n)
    for k in range(K):
        rows, slots = weight_t[k].nonzero().flatten(), weight_n[k].nonzero().flatten()
        row_scale, slot_scale = len(rows) / weight_t[k].sum(), len(slots) / weight_n[k].sum()
        each = [
            (1 - feat[k, t] @ memory[k, n]) * weight_t[k, t] * row_scale * weight_n[k, n] * slot_scale
            for t in rows
            for n in slots
        ]
        torch.testing.assert_close((total / mass)[k].double(), torch.stack(each).mean(), rtol=1e-5, atol=1e-6)


def test_equal_rows_cost_nothing_and_opposite_ones_two() -> None:
    memory = contrast.normalise(torch.ones(1, N, D), 2)
    feat = torch.cat([memory[:, :1], -memory[:, :1]], 1)
    for weights, expected in (([1.0, 0.0], 0.0), ([0.0, 1.0], 2.0), ([1.0, 1.0], 1.0)):
        total, mass = positives.class_sums(feat, memory, torch.tensor([weights]), torch.ones(1, N))
        assert (total / mass).item() == pytest.approx(expected, abs=1e-6)


def test_classes_without_memory_or_rows_add_nothing() -> None:
    feat, memory, weight_t, weight_n = scene()
    weight_n[0], weight_t[1] = 0, 0
    total, mass = positives.class_sums(feat, memory, weight_t, weight_n)
    assert (total[:2] == 0).all() and (mass[:2] == 0).all()
    assert positives.shared_ratio(total, mass, total, mass).item() == pytest.approx((total[2] / mass[2]).item())


def test_shares_of_two_workers_add_up_to_the_whole_with_its_gradient() -> None:
    feat, memory, weight_t, weight_n = scene()
    leaf = weight_t.clone().requires_grad_()
    total, mass = positives.class_sums(feat, memory, leaf, weight_n)
    whole = (total / mass).sum()
    (expected,) = torch.autograd.grad(whole, leaf, retain_graph=True)
    torch.testing.assert_close(positives.shared_ratio(total, mass, total.detach(), mass.detach()), whole)
    value, grad = 0.0, torch.zeros_like(leaf)
    for part in (slice(0, 1), slice(1, T)):
        own, own_mass = positives.class_sums(feat[:, part], memory, leaf[:, part], weight_n)
        share = positives.shared_ratio(own, own_mass, total.detach(), mass.detach())
        value += share.item()
        grad += torch.autograd.grad(share, leaf)[0]
    assert value == pytest.approx(whole.item(), rel=1e-5)
    torch.testing.assert_close(grad, expected)


def padded(numbers: list[int], take: int) -> tuple[Tensor, Tensor]:
    """One class's list."""
    return torch.tensor([numbers + [0] * (take - len(numbers))]), (torch.arange(take) < len(numbers))[None]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 2, 3, 4], [5, 6, 7, 8], [1, 5, 2, 6]),
        ([1], [5, 6, 7, 8], [1, 5, 6, 7]),
        ([1, 2, 3], [], [1, 2, 3]),
        ([], [], []),
    ],
)
def test_interleaving_takes_half_of_each_and_more_where_one_runs_out(
    first: list[int], second: list[int], expected: list[int]
) -> None:
    index, valid = positives.interleave(*padded(first, 4), *padded(second, 4))
    assert index[valid].tolist() == expected
    assert valid[0].tolist() == [i < len(expected) for i in range(4)]


def test_rows_repeat_until_the_queue_is_full() -> None:
    numbers, valid = padded([1, 2, 3], 7)
    rows = numbers[..., None].float()
    assert positives.repeat_rows(rows, valid)[0, :, 0].tolist() == [1, 2, 3, 1, 2, 3, 1]
    assert positives.repeat_rows(rows, torch.zeros_like(valid)).abs().sum() == 0
