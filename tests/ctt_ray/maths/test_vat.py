"""The perturbation against the closed form of a linear model, KL against the loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ctt_ray.maths import vat


def test_kl_equals_the_loop_and_its_target_gets_no_gradient() -> None:
    target = torch.randn(2, 3, 4, 5).softmax(1).requires_grad_()
    logits = torch.randn(2, 3, 4, 5, requires_grad=True)
    valid = torch.rand(2, 4, 5) > 0.3
    total, count = vat.kl(target, logits, valid)
    expected = 0.0
    p, q = target.detach(), logits.detach().softmax(1)
    for b, y, x in valid.nonzero().tolist():
        expected += sum(float(p[b, k, y, x]) * math.log(float(p[b, k, y, x] / q[b, k, y, x])) for k in range(3))
    assert float(total.detach()) == pytest.approx(expected, rel=1e-4)
    assert float(count) == int(valid.sum())
    total.backward()
    assert target.grad is None
    assert logits.grad is not None


def test_kl_is_zero_at_the_target_and_with_a_certain_one_finite() -> None:
    logits = torch.randn(1, 3, 2, 2)
    valid = torch.ones(1, 2, 2, dtype=torch.bool)
    assert float(vat.kl(logits.softmax(1), logits, valid)[0]) == pytest.approx(0, abs=1e-6)
    sure = torch.zeros(1, 3, 2, 2)
    sure[:, 0] = 1
    assert float(vat.kl(sure, logits, valid)[0]) == pytest.approx(-float(logits.log_softmax(1)[:, 0].sum()), rel=1e-5)


def test_radius_is_half_the_length_of_the_differences() -> None:
    image = torch.zeros(2, 3, 5, 7)
    image[1, 0] = torch.arange(7.0) * 2  # slope 2 along a row: five differences of 4 in each of five rows
    assert vat.radius(image).tolist() == pytest.approx([0, math.sqrt(25 * 16) / 2])
    torch.testing.assert_close(vat.radius(image, 3.0), 3 * vat.radius(image))


class Linear(nn.Module):
    """Logits that depend on the first channel of the image alone, per pixel; counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -1.0]))

    def forward(self, image: Tensor) -> Tensor:
        return self.weight[None, :, None, None] * image[:, :1]


def test_the_perturbation_finds_the_only_channel_that_matters_at_the_asked_length() -> None:
    net, image = Linear(), torch.randn(3, 3, 6, 6) * 0.1
    valid = torch.ones(3, 6, 6, dtype=torch.bool)
    valid[0, :, 3:] = False
    length = torch.tensor([0.5, 0.01, 2.0])
    found = vat.perturbation(net, image, net(image).softmax(1), valid, length, torch.Generator().manual_seed(1))
    torch.testing.assert_close(found.flatten(1).norm(dim=1), length)
    assert not found[:, 1:].any()
    assert not found[0, :, :, 3:].any()
    assert net.weight.grad is None
    assert not found.requires_grad


def test_it_hurts_more_than_a_random_direction_of_that_length() -> None:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 4, 3, padding=1))
    image = torch.randn(2, 3, 12, 12)
    valid, length = torch.ones(2, 12, 12, dtype=torch.bool), torch.tensor([0.5, 0.5])
    probs = net(image).softmax(1).detach()
    draws = torch.Generator().manual_seed(0)
    bad = vat.perturbation(net, image, probs, valid, length, draws)
    worst = float(vat.kl(probs, net(image + bad), valid)[0].detach())
    for _ in range(10):
        noise = torch.randn(image.shape)
        noise *= length[:, None, None, None] / noise.flatten(1).norm(dim=1)[:, None, None, None]
        assert worst > 3 * float(vat.kl(probs, net(image + noise), valid)[0].detach())


def test_nothing_to_change_gives_no_perturbation() -> None:
    image = torch.randn(2, 3, 4, 4)
    still = image.new_zeros(2, 2, 4, 4)
    found = vat.perturbation(
        lambda seen: still + 0 * seen.sum(),
        image,
        still.softmax(1),
        torch.ones(2, 4, 4, dtype=torch.bool),
        torch.ones(2),
        torch.Generator(),
    )
    assert not found.any()
