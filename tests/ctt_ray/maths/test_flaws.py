"""Flaw maps against direct convolution sums, and who corrects whom by hand."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ctt_ray.maths import flaws, labels


def slow_blur(map_HW: Tensor, kernel: int) -> Tensor:
    r = kernel // 2
    sigma = 0.3 * ((2 * r + 1 - 1) * 0.5 - 1) + 0.8
    weight = {(i, j): math.exp(-(i * i + j * j) / (2 * sigma**2)) for i in range(-r, r + 1) for j in range(-r, r + 1)}
    height, width = map_HW.shape
    out = torch.zeros_like(map_HW)
    for y in range(height):
        for x in range(width):
            for (i, j), w in weight.items():
                out[y, x] += w * map_HW[min(max(y + i, 0), height - 1), min(max(x + j, 0), width - 1)]
    return out / sum(weight.values())


def test_blur_equals_the_double_sum_and_keeps_a_constant() -> None:
    map_BHW = torch.rand(2, 6, 9, dtype=torch.float64)
    found = flaws.blur(map_BHW, 4)
    for b in range(2):
        torch.testing.assert_close(found[b], slow_blur(map_BHW[b], 4))
    torch.testing.assert_close(flaws.blur(torch.full((1, 5, 5), 0.3), 9), torch.full((1, 5, 5), 0.3))
    assert flaws.blur(map_BHW, 1).equal(map_BHW)


def test_flaw_target_equals_its_definition() -> None:
    probs, label = torch.randn(1, 3, 16, 16).softmax(1), torch.randint(0, 3, (1, 16, 16)).to(torch.uint8)
    label[0, :3] = labels.VOID
    wrong = torch.zeros(16, 16)
    for y in range(16):
        for x in range(16):
            c = int(label[0, y, x])
            if c != labels.VOID:
                wrong[y, x] = 0.5 * sum(abs(float(c == k) - float(probs[0, k, y, x])) for k in range(3))
    flaw = slow_blur(wrong, 2)
    padded = torch.nn.functional.pad(flaw, (1, 1, 1, 1), value=-1)
    widest = torch.stack([padded[i : i + 16, j : j + 16] for i in range(3) for j in range(3)]).amax(0)
    flaw = slow_blur(widest, 4)
    flaw = (flaw - flaw.min()) / (flaw.max() - flaw.min())
    torch.testing.assert_close(flaws.flaw_target(probs, label)[0], flaw, rtol=1e-4, atol=1e-5)


def test_flaw_target_finds_the_wrong_corner_and_nothing_in_a_perfect_map() -> None:
    label = torch.zeros(2, 32, 32, dtype=torch.uint8)
    probs = torch.zeros(2, 2, 32, 32)
    probs[:, 0] = 1
    probs[0, :, :8, :8] = torch.tensor([0.0, 1.0])[:, None, None]
    found = flaws.flaw_target(probs, label)
    assert found[0].max() == 1
    assert found[0, :8, :8].min() > found[0, 20:, 20:].max()
    assert not found[1].any()


def test_cleaned_stretches_strong_flaws_and_drops_weak_ones() -> None:
    flaw = torch.zeros(3, 32, 32)
    flaw[0, 4:20, 4:20], flaw[1, 4:20, 4:20], flaw[2] = 0.5, 0.09, -1.0
    flaw[0, 26:, 26:] = -2.0
    found = flaws.cleaned(flaw)
    assert found[0].max() == 1
    assert not found[0, 22:, :22].any()
    assert not found[0, 26:, 26:].any()
    assert not found[1:].any()


def test_rounding_is_not_stretched_to_flaws() -> None:
    even = 0.7 + 1e-7 * torch.randn(1, 32, 32)
    assert not flaws.cleaned(even).any()


def test_better_of_by_hand() -> None:
    own, peer = torch.zeros(1, 2, 1, 5), torch.ones(1, 2, 1, 5)
    own_flaw = torch.tensor([[[0.1, 0.5, 0.7, 0.9, 0.3]]])
    peer_flaw = torch.tensor([[[0.5, 0.1, 0.5, 0.7, 0.3]]])
    target, both_bad = flaws.better_of(own, peer, own_flaw, peer_flaw)
    assert target[0, 0, 0].tolist() == [
        0,
        1,
        1,
        0,
        0,
    ]  # two bad pixels, though 0.7 < 0.9, and equal ones keep their own
    assert both_bad[0, 0].tolist() == [False, False, False, True, False]
