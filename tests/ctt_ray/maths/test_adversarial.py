"""What critics ask and students learn from them, against plain loops."""

from __future__ import annotations

import math

import pytest
import torch

from ctt_ray.maths import adversarial, labels

K = 4


def test_one_hot_equals_the_loop_and_shows_void_as_nothing() -> None:
    label = torch.tensor([[[0, 3, labels.VOID], [labels.PADDING, 1, 2]]], dtype=torch.uint8)
    found = adversarial.one_hot(label, K)
    for y in range(2):
        for x in range(3):
            c = int(label[0, y, x])
            assert found[0, :, y, x].tolist() == [float(c == k) for k in range(K)]
    assert found.dtype == torch.float32


@pytest.mark.parametrize("real", [True, False])
def test_judged_equals_the_loop(real: bool) -> None:
    logit = torch.randn(2, 5, 6, dtype=torch.float64).mul(3)
    counts = torch.rand(2, 5, 6) > 0.4
    total, count = adversarial.judged(logit, real=real, counts=counts)
    terms = []
    for z in logit[counts].tolist():
        p = 1 / (1 + math.exp(-z))
        terms.append(-math.log(p if real else 1 - p))
    assert float(total) == pytest.approx(sum(terms), rel=1e-5)
    assert float(count) == len(terms)
    assert adversarial.judged(logit, real=real)[1] == logit.numel()


def test_judged_is_finite_for_extreme_logits_and_zero_without_a_pixel() -> None:
    logit = torch.tensor([[[-1e4, 1e4]]], requires_grad=True)
    total, _ = adversarial.judged(logit, real=True)
    assert total == 1e4
    none, count = adversarial.judged(logit, real=False, counts=torch.zeros(1, 1, 2, dtype=torch.bool))
    none.backward()
    assert none == count == 0
    assert not logit.grad.any()


def test_trusted_label_of_pixels_and_of_images() -> None:
    label = torch.tensor([[[1, 2, 3]], [[0, labels.PADDING, 3]]], dtype=torch.uint8)
    logit = torch.tensor([0.3, 0.2]).logit()  # of probabilities
    per_pixel = torch.full((2, 1, 3), -5.0)
    per_pixel[0, 0, 1] = per_pixel[1, 0, 2] = 5.0
    V, P = labels.VOID, labels.PADDING
    assert adversarial.trusted_label(label, per_pixel, 0.2).tolist() == [[[V, 2, V]], [[V, P, 3]]]
    assert adversarial.trusted_label(label, logit, 0.25).tolist() == [[[1, 2, 3]], [[V, P, V]]]
    assert adversarial.trusted_label(label, logit, 0.0).equal(label)


def test_l1_shares_of_two_workers_add_up_to_the_distance_and_its_gradient() -> None:
    real, fake = torch.randn(6, 5, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    whole = (fake.mean(0) - real.mean(0)).abs().mean()
    (expected,) = torch.autograd.grad(whole, fake)
    gaps = [
        fake[s].sum(0) / 4 - real[t].sum(0) / 6 for s, t in ((slice(0, 1), slice(0, 4)), (slice(1, 4), slice(4, 6)))
    ]
    total = sum(gaps).detach()
    shares = [adversarial.l1_share(gap, total) for gap in gaps]
    torch.testing.assert_close(sum(shares), whole)
    (found,) = torch.autograd.grad(sum(shares), fake)
    torch.testing.assert_close(found, expected)


def test_unit_range_of_each_image_alone() -> None:
    image = torch.randn(3, 3, 4, 5) * torch.tensor([1.0, 10.0, 0.0])[:, None, None, None]
    found = adversarial.unit_range(image)
    assert found[:2].amin((1, 2, 3)).tolist() == [0, 0]
    assert found[:2].amax((1, 2, 3)).tolist() == pytest.approx([1, 1])
    assert not found[2].any()
    torch.testing.assert_close(found[1], (image[1] - image[1].min()) / (image[1].max() - image[1].min()))
