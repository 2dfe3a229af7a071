"""Calibrated fusion, sharpening and soft cross-entropy by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ctt_ray.maths import fusion, losses

K = 4
one, other = torch.randn(2, K, 3, 5, generator=torch.Generator().manual_seed(1)) * 5, torch.ones(2, K, 3, 5)
valid = torch.ones(2, 3, 5, dtype=torch.bool)


def test_energy_is_the_sum_of_squares_over_valid_pixels() -> None:
    part = valid.clone()
    part[0, :2] = False
    total, count = fusion.energy(one, other, part)
    expected = sum(
        float(score[b, :, y, x].square().sum())
        for score in (one, other)
        for b in range(2)
        for y in range(3)
        for x in range(5)
        if part[b, y, x]
    )
    assert total.item() == pytest.approx(expected, rel=1e-5) and count.item() == 2 * K * 20
    nothing, zero = fusion.energy(one, other, torch.zeros_like(valid))
    assert (nothing.item(), zero.item()) == (0, 0)


def test_fusion_averages_two_softmaxes_of_scores_with_unit_mean_square() -> None:
    mean_square = losses.ratio(*fusion.energy(one, other, valid))
    both = torch.cat([one, other])
    unit = both / both.square().mean().sqrt()
    expected = 0.3 * F.softmax(unit[:2], 1) + 0.7 * F.softmax(unit[2:], 1)
    torch.testing.assert_close(fusion.fuse(one, other, mean_square, share=0.3), expected)
    torch.testing.assert_close(expected.sum(1), torch.ones(2, 3, 5))


def test_fusion_does_not_depend_on_the_common_scale() -> None:
    first = fusion.fuse(one, other, losses.ratio(*fusion.energy(one, other, valid)))
    scaled = fusion.fuse(7 * one, 7 * other, losses.ratio(*fusion.energy(7 * one, 7 * other, valid)))
    torch.testing.assert_close(first, scaled)
    assert fusion.fuse(one * 0, other * 0, torch.zeros(())).eq(1 / K).all()


def test_sharpening_is_a_normalised_power() -> None:
    probs = F.softmax(one, 1)
    power = probs**2
    torch.testing.assert_close(fusion.sharpen(probs, 0.5), power / power.sum(1, keepdim=True), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(fusion.sharpen(probs, 1.0), probs)
    certain = F.one_hot(torch.arange(K), K).float()[..., None, None]
    assert torch.equal(fusion.sharpen(certain, 0.5), certain)
    with pytest.raises(ValueError, match="above 0, found 0"):
        fusion.sharpen(probs, 0)


def test_soft_cross_entropy_of_hard_labels_is_cross_entropy() -> None:
    label = torch.randint(0, K, (2, 3, 5))
    hard = F.one_hot(label, K).permute(0, 3, 1, 2).float()
    total, _ = losses.cross_entropy(one, label)
    torch.testing.assert_close(fusion.soft_cross_entropy(one, hard, valid), total)


def test_soft_cross_entropy_weights_pixels_and_forgets_those_of_weight_zero() -> None:
    weight = torch.rand(2, 3, 5)
    weight[1] = 0
    logits = one.clone()
    logits[1] = torch.nan
    logits.requires_grad_()
    probs = F.softmax(torch.randn(2, K, 3, 5), 1)
    loss = fusion.soft_cross_entropy(logits, probs, weight)
    expected = -(weight[0] * (probs[0] * F.log_softmax(one[0], 0)).sum(0)).sum()
    torch.testing.assert_close(loss, expected)
