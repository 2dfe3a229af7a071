"""Cross-entropy, gates, hard examples and class weights, against torch's own mean and plain loops."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ctt_ray.maths import labels, losses

K = 5


def scene(batch: int = 3, size: int = 6) -> tuple[Tensor, Tensor]:
    logits = torch.randn(batch, K, size, size, dtype=torch.float64, requires_grad=True)
    label = torch.randint(0, K, (batch, size, size)).to(torch.uint8)
    label[:, 0], label[:, 1] = labels.VOID, labels.PADDING
    return logits, label


def slow_terms(logits: Tensor, label: Tensor) -> list[tuple[Tensor, int]]:
    """(-log p, class) of every valid pixel."""
    log_p = logits - logits.exp().sum(1, keepdim=True).log()
    places = [(b, y, x) for b in range(len(label)) for y in range(label.shape[1]) for x in range(label.shape[2])]
    return [(-log_p[b, c, y, x], c) for b, y, x in places if (c := int(label[b, y, x])) < 254]


@pytest.mark.parametrize("class_weight", [None, torch.tensor([0.3, 1.0, 2.0, 0.7, 5.0], dtype=torch.float64)])
def test_cross_entropy_equals_torch_weighted_mean(class_weight: Tensor | None) -> None:
    logits, label = scene()
    ours = losses.ratio(*losses.cross_entropy(logits, label, class_weight_K=class_weight))
    target = label.long().masked_fill(label == labels.PADDING, labels.VOID)
    theirs = F.cross_entropy(logits, target, weight=class_weight, ignore_index=labels.VOID)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    (ours_grad,) = torch.autograd.grad(ours, logits)
    (theirs_grad,) = torch.autograd.grad(theirs, logits)
    torch.testing.assert_close(ours_grad, theirs_grad, rtol=1e-10, atol=1e-14)


def test_cross_entropy_equals_the_loop_and_counts_valid_pixels() -> None:
    logits, label = scene()
    total, count = losses.cross_entropy(logits, label)
    terms = slow_terms(logits, label)
    torch.testing.assert_close(total, torch.stack([loss for loss, _ in terms]).sum())
    assert count.item() == len(terms) == 3 * 4 * 6


def test_a_gated_pixel_stays_in_the_denominator() -> None:
    logits, label = scene()
    gate = torch.rand(label.shape) > 0.5
    total, count = losses.cross_entropy(logits, label, weight_BHW=gate)
    pixel = F.cross_entropy(logits, label.long().clamp(max=K - 1), reduction="none")
    torch.testing.assert_close(total, pixel[gate & labels.valid(label)].sum())
    assert count == losses.cross_entropy(logits, label)[1]


def test_rule_12_logits_under_void_and_padding_change_no_loss_and_no_gradient() -> None:
    logits, label = scene()
    other = logits.detach().clone()
    other[:, :, :2] = torch.randn_like(other[:, :, :2]) * 1e4
    other.requires_grad_()
    for loss in (losses.cross_entropy, lambda *a: losses.ohem(*a, keep=0.3, threshold=0.1)):
        first, second = losses.ratio(*loss(logits, label)), losses.ratio(*loss(other, label))
        assert torch.equal(first, second)
        first_grad, second_grad = torch.autograd.grad(first, logits)[0], torch.autograd.grad(second, other)[0]
        assert torch.equal(first_grad, second_grad) and first_grad[:, :, :2].abs().max() == 0


def test_rule_12_padding_with_254_changes_no_value() -> None:
    logits, label = scene()
    wide_logits = F.pad(logits, (0, 5, 3, 0), value=7.0)
    wide_label = F.pad(label, (0, 5, 3, 0), value=labels.PADDING)
    wide_conf, conf = torch.rand(wide_label.shape), None
    conf = wide_conf[:, 3:, :-5]
    for gate in ("none", "pixel", "batch_fraction"):
        narrow = losses.gate_weight(conf, labels.valid(label), gate=gate, threshold=0.4)
        wide = losses.gate_weight(wide_conf, labels.valid(wide_label), gate=gate, threshold=0.4)
        before = losses.ratio(*losses.cross_entropy(logits, label, weight_BHW=narrow))
        after = losses.ratio(*losses.cross_entropy(wide_logits, wide_label, weight_BHW=wide))
        torch.testing.assert_close(before, after, rtol=1e-12, atol=0)


@pytest.mark.parametrize("code", [labels.VOID, labels.PADDING])
@pytest.mark.parametrize("batch", [2, 0])
def test_rule_12_nothing_valid_gives_zero_with_a_zero_gradient(code: int, batch: int) -> None:
    logits = torch.randn(batch, K, 4, 4, requires_grad=True)
    label = torch.full((batch, 4, 4), code, dtype=torch.uint8)
    weight_K = torch.rand(K)
    for pair in (
        losses.cross_entropy(logits, label),
        losses.cross_entropy(logits, label, class_weight_K=weight_K),
        losses.ohem(logits, label, keep=0.5, threshold=0.7),
    ):
        loss = losses.ratio(*pair)
        (grad,) = torch.autograd.grad(loss, logits)
        assert loss.item() == 0 and pair[1].item() == 0 and grad.abs().sum().item() == 0


def test_rule_17_a_split_batch_with_global_counts_equals_the_whole() -> None:
    logits, label = scene(batch=4)
    label[0] = labels.VOID  # the halves differ in what counts
    conf, weight_K = torch.rand(label.shape), torch.rand(K, dtype=torch.float64)
    halves = (slice(0, 2), slice(2, 4))

    def share(part: slice, counts: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        gate = losses.gate_weight(
            conf[part], labels.valid(label[part]), gate="batch_fraction", threshold=0.5, counts=counts
        )
        return losses.cross_entropy(logits[part], label[part], weight_BHW=gate, class_weight_K=weight_K)

    local = [losses.batch_fraction(conf[part], labels.valid(label[part]), 0.5) for part in halves]
    counts = (local[0][0] + local[1][0], local[0][1] + local[1][1])
    sums = [share(part, counts) for part in halves]
    split = losses.ratio(sums[0][0] + sums[1][0], sums[0][1] + sums[1][1])
    gate = losses.gate_weight(conf, labels.valid(label), gate="batch_fraction", threshold=0.5)
    whole = losses.ratio(*losses.cross_entropy(logits, label, weight_BHW=gate, class_weight_K=weight_K))
    torch.testing.assert_close(split, whole, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(split, logits)[0], torch.autograd.grad(whole, logits)[0], rtol=1e-12, atol=1e-18
    )


def test_cross_entropy_is_float32_under_autocast() -> None:
    logits, label = scene()
    half = logits.detach().bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside, _ = losses.cross_entropy(half, label)
    assert inside.dtype == torch.float32 and torch.equal(inside, losses.cross_entropy(half.float(), label)[0])


@pytest.mark.parametrize(
    ("keep", "threshold"), [(0.25, 0.0), (0.26, 0.0), (0.25, 0.3), (1.0, 0.0), (0.001, 0.5), (0.5, 0.01)]
)
def test_ohem_equals_the_loop(keep: float, threshold: float) -> None:
    logits, label = scene()
    weight_K = torch.rand(K, dtype=torch.float64) + 0.1
    terms = sorted(slow_terms(logits, label), key=lambda term: -term[0].item())
    least = math.ceil(keep * len(terms))
    used = [t for rank, t in enumerate(terms) if rank < least or math.exp(-t[0].item()) < threshold]
    total, count = losses.ohem(logits, label, keep=keep, threshold=threshold)
    torch.testing.assert_close(total, torch.stack([loss for loss, _ in used]).sum())
    assert count.item() == len(used)
    total, count = losses.ohem(logits, label, keep=keep, threshold=threshold, class_weight_K=weight_K)
    torch.testing.assert_close(total, torch.stack([weight_K[c] * loss for loss, c in used]).sum())
    torch.testing.assert_close(count, torch.stack([weight_K[c] for _, c in used]).sum())


def test_ohem_refuses_a_share_of_zero() -> None:
    with pytest.raises(ValueError, match="keep=1 is plain cross-entropy"):
        losses.ohem(*scene(), keep=0.0, threshold=0.5)


def test_gates_by_hand() -> None:
    conf = torch.tensor([[[0.95, 0.5, 0.99, 0.2, 0.968]]])
    valid = torch.tensor([[[True, True, False, True, True]]])

    def weight(gate: losses.Gate) -> list[float]:
        return losses.gate_weight(conf, valid, gate=gate, threshold=0.95).flatten().tolist()

    assert weight("none") == [1, 1, 0, 1, 1]
    assert weight("pixel") == [1, 0, 0, 0, 1]
    assert weight("batch_fraction") == [0.5, 0.5, 0, 0.5, 0.5]
    assert [count.item() for count in losses.batch_fraction(conf, valid, 0.95)] == [2, 4]


def test_a_gate_without_valid_pixels_is_zero_not_nan() -> None:
    nothing = torch.zeros(1, 2, 2, dtype=torch.bool)
    for gate in ("none", "pixel", "batch_fraction"):
        assert losses.gate_weight(torch.rand(1, 2, 2), nothing, gate=gate, threshold=0.5).abs().sum() == 0


def test_an_unknown_gate_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'none', 'pixel' or 'batch_fraction'"):
        losses.gate_weight(torch.rand(1, 2, 2), torch.ones(1, 2, 2).bool(), gate="soft", threshold=0.5)  # type: ignore[arg-type]


def test_ratio_by_zero_is_zero_and_below_one_is_exact() -> None:
    total = torch.tensor(3.0, requires_grad=True)
    zero = losses.ratio(total, torch.tensor(0.0))
    assert zero.item() == 0 and torch.autograd.grad(zero, total)[0].item() == 0
    assert losses.ratio(total, torch.tensor(0.5)).item() == 6  # class weights may add up to less than one


def test_class_weights_by_hand() -> None:
    pixels = torch.tensor([400, 100, 0, 25, 1])  # median of the four that occur: 62.5
    expected = [math.sqrt(62.5 / 400), math.sqrt(62.5 / 100), 1.0, math.sqrt(62.5 / 25), 4.0]
    torch.testing.assert_close(losses.class_weights(pixels, low=0.1, high=4.0), torch.tensor(expected))
    torch.testing.assert_close(
        losses.class_weights(pixels, power=1.0, low=0.5, high=2.0), torch.tensor([0.5, 0.625, 1.0, 2.0, 2.0])
    )
    assert losses.class_weights(torch.zeros(3), low=0.1, high=4.0).tolist() == [1, 1, 1]
    assert losses.class_weights(torch.tensor([7, 7]), low=0.1, high=4.0).tolist() == [1, 1]
