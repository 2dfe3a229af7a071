"""Debiased pixel contrast against exponentials written out, and against negatives that are really drawn."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ctt_ray.maths import contrast, debiased

Q, P, D, K = 5, 12, 4, 3


def rows(count: int, seed: int) -> Tensor:
    return contrast.normalise(torch.randn(count, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


anchor, positive, pool = rows(Q, 1), rows(Q, 2), rows(P, 3)
weight = torch.rand(Q, P, generator=torch.Generator().manual_seed(4))


def test_weights_are_the_chance_of_two_classes_in_two_images() -> None:
    probs_q, probs_p = torch.rand(Q, K).softmax(1), torch.rand(P, K).softmax(1)
    image_q, image_p = torch.arange(Q) % 2, torch.arange(P) % 2
    found = debiased.different(probs_q, probs_p, image_q, image_p)
    for q in range(Q):
        for p in range(P):
            differ = sum(float(probs_q[q, a] * probs_p[p, b]) for a in range(K) for b in range(K) if a != b)
            assert found[q, p].item() == pytest.approx(differ if image_q[q] != image_p[p] else 0, abs=1e-6)


@pytest.mark.parametrize("tau", [0.07, 0.5])
def test_loss_equals_the_written_out_form(tau: float) -> None:
    found = debiased.info_nce(anchor, positive, pool, weight, tau=tau, negatives=7)
    for q in range(Q):
        top = math.exp(float(anchor[q] @ positive[q]) / tau)
        share = weight[q] / weight[q].sum()
        below = sum(7 * float(share[p]) * math.exp(float(anchor[q] @ pool[p]) / tau) for p in range(P))
        assert found[q].item() == pytest.approx(-math.log(top / (top + below)), rel=1e-4)


def test_its_sum_is_what_drawn_negatives_have_on_average() -> None:
    share = weight[0] / weight[0].sum()
    drawn = torch.multinomial(share, 70_000, replacement=True)
    sampled = ((anchor[0] @ pool[drawn].T) / 0.5).exp().view(-1, 7).sum(1).mean()
    exact = 7 * (share * (anchor[0] @ pool.T / 0.5).exp()).sum()
    assert sampled.item() == pytest.approx(exact.item(), rel=0.02)
    loss = debiased.info_nce(anchor[:1], positive[:1], pool, weight[:1], tau=0.5, negatives=7)
    top = (anchor[0] @ positive[0] / 0.5).exp()
    assert loss.item() == pytest.approx(-math.log(top / (top + exact)), rel=1e-4)


def test_a_negative_of_weight_zero_is_not_seen() -> None:
    none = weight.clone()
    none[:, 3] = 0
    other = pool.clone()
    other[3] = -other[3]
    first = debiased.info_nce(anchor, positive, pool, none, tau=0.1, negatives=7)
    assert torch.equal(first, debiased.info_nce(anchor, positive, other, none, tau=0.1, negatives=7))


@pytest.mark.parametrize("case", ["weights", "pool"])
def test_without_negatives_loss_and_gradient_are_zero(case: str) -> None:
    leaf = anchor.float().requires_grad_()
    some = weight.clone()
    some[2] = 0
    if case == "pool":
        loss = debiased.info_nce(leaf, positive.float(), pool[:0].float(), weight[:, :0], tau=0.1, negatives=7)
    else:
        loss = debiased.info_nce(leaf, positive.float(), pool.float(), some, tau=0.1, negatives=7)
    (grad,) = torch.autograd.grad(loss.sum(), leaf)
    assert loss[2].item() == 0 and grad[2].abs().sum().item() == 0 and grad.isfinite().all()
    assert (loss[0].item() > 0) == (case == "weights")


def test_tiny_temperatures_give_no_nan_and_zero_is_refused() -> None:
    assert debiased.info_nce(anchor, positive, pool, weight, tau=0.003, negatives=200).isfinite().all()
    with pytest.raises(ValueError, match="above 0, found 0"):
        debiased.info_nce(anchor, positive, pool, weight, tau=0, negatives=7)
