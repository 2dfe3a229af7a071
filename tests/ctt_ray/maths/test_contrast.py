"""The fused contrastive losses against equations (6) and (8) written out term by term in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from ctt_ray.maths import contrast, labels

K, N, D, M = 4, 5, 6, 60
TAUS = (0.05, 0.1, 0.5)
Fused = Callable[..., Tensor]  # high or low, below


class Scene(NamedTuple):
    feat_MD: Tensor  # not normalised: the leaf that has a gradient
    peer_MD: Tensor
    label_M: Tensor
    selected_M: Tensor
    bank_KND: Tensor
    peer_bank_KND: Tensor


def scene(dtype: torch.dtype = torch.float64) -> Scene:
    label_M = torch.randint(0, K - 1, (M,)).to(torch.uint8)  # class K-1 has no anchor, so C+ is not all classes
    selected_M = torch.rand(M) < 0.6
    label_M[0], selected_M[0], label_M[1] = labels.VOID, False, 0
    return Scene(
        torch.randn(M, D, dtype=dtype).requires_grad_(),
        contrast.normalise(torch.randn(M, D, dtype=dtype)),
        label_M,
        selected_M,
        contrast.normalise(torch.randn(K, N, D, dtype=dtype), dim=2),
        contrast.normalise(torch.randn(K, N, D, dtype=dtype), dim=2),
    )


def info_nce(positive: Tensor, negatives: list[Tensor], tau: float) -> Tensor:
    """-log( e^(s+/τ) / (e^(s+/τ) + Σ e^(s-/τ)) ), exponentials and all."""
    top = (positive / tau).exp()
    return -(top / (top + sum((s / tau).exp() for s in negatives))).log()


def reduce_rows(loss_of: dict[int, Tensor], label_M: Tensor, reduction: str) -> Tensor:
    """Mean over the selected pixels, or over the classes that have some, of the mean in the class."""
    if reduction == "pixel":
        return torch.stack(list(loss_of.values())).mean()
    classes = sorted({int(label_M[p]) for p in loss_of})
    return torch.stack([torch.stack([v for p, v in loss_of.items() if label_M[p] == c]).mean() for c in classes]).mean()


def slow_high(s: Scene, tau: float, reduction: str, present: tuple[int, ...] = tuple(range(K))) -> Tensor:
    feat = s.feat_MD / s.feat_MD.norm(dim=1, keepdim=True)
    loss_of = {}
    for p in range(M):
        own = int(s.label_M[p])
        if s.selected_M[p] and own in present:
            negatives = [feat[p] @ s.bank_KND[c, j] for c in present if c != own for j in range(N)]
            each = [info_nce(feat[p] @ s.bank_KND[own, j], negatives, tau) for j in range(N)]
            loss_of[p] = torch.stack(each).mean()
    return reduce_rows(loss_of, s.label_M, reduction)


def slow_low(s: Scene, tau: float, reduction: str, present: tuple[int, ...] = tuple(range(K))) -> Tensor:
    feat = s.feat_MD / s.feat_MD.norm(dim=1, keepdim=True)
    loss_of = {}
    for p in range(M):
        own = int(s.label_M[p])
        if s.selected_M[p] and own in present:
            both = [bank[c, j] for bank in (s.bank_KND, s.peer_bank_KND) for c in present if c != own for j in range(N)]
            loss_of[p] = info_nce(feat[p] @ s.peer_MD[p], [feat[p] @ row for row in both], tau)
    return reduce_rows(loss_of, s.label_M, reduction)


def weights(s: Scene, reduction: contrast.Reduction, present_K: Tensor | None = None) -> Tensor:
    selected_M = s.selected_M if present_K is None else s.selected_M & present_K[s.label_M.long().clamp(max=K - 1)]
    count_K = contrast.class_counts(s.label_M, selected_M, K)
    return contrast.row_weights(s.label_M, selected_M, count_K, reduction=reduction)


def high(s: Scene, tau: float, weight_M: Tensor, present_K: Tensor | None = None, chunk: int = 1024) -> Tensor:
    feat_MD = contrast.normalise(s.feat_MD)
    return contrast.contrast_high(feat_MD, s.label_M, weight_M, s.bank_KND, tau=tau, present_K=present_K, chunk=chunk)


def low(s: Scene, tau: float, weight_M: Tensor, present_K: Tensor | None = None, chunk: int = 1024) -> Tensor:
    feat_MD = contrast.normalise(s.feat_MD)
    return contrast.contrast_low(
        feat_MD, s.peer_MD, s.label_M, weight_M, s.bank_KND, s.peer_bank_KND, tau=tau, present_K=present_K, chunk=chunk
    )


def assert_same(ours: Tensor, theirs: Tensor, leaf: Tensor, rtol: float) -> None:
    torch.testing.assert_close(ours, theirs.to(ours.dtype), rtol=rtol, atol=0)
    (ours_grad,) = torch.autograd.grad(ours, leaf)
    (theirs_grad,) = torch.autograd.grad(theirs, leaf)
    torch.testing.assert_close(ours_grad, theirs_grad, rtol=rtol, atol=rtol * theirs_grad.abs().max().item())


@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize("reduction", ["class", "pixel"])
@pytest.mark.parametrize("chunk", [7, 1024])
def test_rule_07_both_losses_equal_the_materialised_info_nce(
    tau: float, reduction: contrast.Reduction, chunk: int
) -> None:
    s = scene()
    weight_M = weights(s, reduction)
    assert_same(high(s, tau, weight_M, chunk=chunk), slow_high(s, tau, reduction), s.feat_MD, 1e-6)
    assert_same(low(s, tau, weight_M, chunk=chunk), slow_low(s, tau, reduction), s.feat_MD, 1e-6)


@pytest.mark.parametrize("tau", TAUS)
def test_rule_07_float32_is_as_good_as_its_digits(tau: float) -> None:
    s = scene()
    single = Scene(*(t.float() if t.is_floating_point() else t for t in s))
    for fused in (high, low):
        exact, rounded = fused(s, tau, weights(s, "class")), fused(single, tau, weights(s, "class"))
        assert rounded.dtype == torch.float32
        torch.testing.assert_close(rounded.double(), exact, rtol=2e-5, atol=0)


@pytest.mark.parametrize("tau", TAUS)
def test_rule_07_gradcheck(tau: float) -> None:
    s = scene()
    weight_M = weights(s, "class").double()
    for fused in (high, low):
        assert torch.autograd.gradcheck(lambda leaf, f=fused: f(s._replace(feat_MD=leaf), tau, weight_M), s.feat_MD)


@pytest.mark.parametrize("fused", [high, low])
@pytest.mark.parametrize("tau", [0.01, 0.003])
def test_rule_07_no_nan_at_tiny_temperatures(fused: Fused, tau: float) -> None:
    s = scene(torch.float32)
    loss = fused(s, tau, weights(s, "class"))
    (grad,) = torch.autograd.grad(loss, s.feat_MD)
    assert loss.isfinite() and loss > 0 and grad.isfinite().all() and grad.abs().sum() > 0


@pytest.mark.parametrize("fused", [high, low])
def test_rule_07_an_empty_mask_and_no_rows_give_zero(fused: Fused) -> None:
    s = scene()
    for empty in (s._replace(selected_M=torch.zeros(M, dtype=torch.bool)), Scene(*(t[:0] for t in s[:4]), *s[4:])):
        leaf = empty.feat_MD
        loss = fused(empty, 0.1, weights(empty, "class"))
        (grad,) = torch.autograd.grad(loss, leaf)
        assert loss.item() == 0 and grad.abs().sum().item() == 0


@pytest.mark.parametrize("fused", [high, low])
def test_rule_07_a_single_class_has_no_negatives_and_no_loss(fused: Fused) -> None:
    s = scene()
    label_M = torch.zeros_like(s.label_M)
    alone = s._replace(label_M=label_M, bank_KND=s.bank_KND[:1], peer_bank_KND=s.peer_bank_KND[:1])
    present_K = torch.tensor([True, False, False, False])
    for case, present in ((alone, None), (s._replace(label_M=label_M), present_K)):
        loss = fused(case, 0.1, torch.full((M,), 1 / M), present)
        (grad,) = torch.autograd.grad(loss, s.feat_MD)
        assert loss.item() == 0 and grad.abs().sum().item() == 0


@pytest.mark.parametrize("fused", [high, low])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rule_07_autocast_changes_nothing(fused: Fused, dtype: torch.dtype) -> None:
    s = scene(torch.float32)
    outside = fused(s, 0.05, weights(s, "class"))
    with torch.autocast("cpu", dtype=dtype):
        inside = fused(s, 0.05, weights(s, "class"))
        (inside_grad,) = torch.autograd.grad(inside, s.feat_MD)
    assert inside.dtype == torch.float32 and torch.equal(inside, outside)
    assert torch.equal(inside_grad, torch.autograd.grad(outside, s.feat_MD)[0])


@pytest.mark.parametrize("fused", [high, low])
def test_rule_07_half_precision_features_are_computed_in_float32(fused: Fused) -> None:
    s = scene(torch.float32)
    half = s._replace(feat_MD=s.feat_MD.detach().bfloat16().requires_grad_())
    loss = fused(half, 0.1, weights(s, "class"))
    (grad,) = torch.autograd.grad(loss, half.feat_MD)
    assert loss.dtype == torch.float32 and grad.dtype == torch.bfloat16
    torch.testing.assert_close(loss, fused(s, 0.1, weights(s, "class")), rtol=2e-2, atol=0)


@pytest.mark.parametrize("tau", TAUS)
def test_a_bank_of_equal_vectors_has_a_closed_form(tau: float) -> None:
    """Every cosine is the same, so the positive is one of 1 + n equals: log(1 + n)."""
    s = scene()
    same_KND = s.peer_MD[0].expand(K, N, D)
    equal = s._replace(bank_KND=same_KND, peer_bank_KND=same_KND, peer_MD=same_KND[0, :1].expand(M, D))
    for fused, banks in ((high, 1), (low, 2)):
        loss = fused(equal, tau, weights(s, "class").double())
        assert loss.item() == pytest.approx(math.log(1 + banks * (K - 1) * N), rel=1e-6)


@pytest.mark.parametrize("tau", TAUS)
def test_the_floor_is_the_loss_of_perfect_features(tau: float) -> None:
    axes_KD = torch.eye(K, dtype=torch.float64)
    bank_KND = axes_KD[:, None].expand(K, N, K)
    label_M = torch.arange(K)
    feat_MD, weight_M = axes_KD[label_M], torch.full((K,), 1 / K, dtype=torch.float64)
    high_loss = contrast.contrast_high(feat_MD, label_M, weight_M, bank_KND, tau=tau)
    low_loss = contrast.contrast_low(feat_MD, feat_MD, label_M, weight_M, bank_KND, bank_KND, tau=tau)
    assert high_loss.item() == pytest.approx(contrast.floor("high", tau, K, N), rel=1e-9)
    assert low_loss.item() == pytest.approx(contrast.floor("low", tau, K, N), rel=1e-9)


def test_the_floor_at_the_papers_sizes() -> None:
    floors = [contrast.floor(kind, tau, 19, 128) for kind in ("high", "low") for tau in (0.1, 0.5)]
    assert [round(value, 2) for value in floors] == [0.10, 5.75, 0.19, 6.44]


def test_rule_08_low_contrast_is_one_way() -> None:
    s = scene()
    peer, own, other = (t.clone().requires_grad_() for t in (s.peer_MD, s.bank_KND, s.peer_bank_KND))
    traced = s._replace(peer_MD=peer, bank_KND=own, peer_bank_KND=other)
    for loss in (low(traced, 0.1, weights(s, "class")), high(traced, 0.1, weights(s, "class"))):
        loss.backward()
    assert s.feat_MD.grad is not None and s.feat_MD.grad.abs().sum() > 0
    assert peer.grad is None and own.grad is None and other.grad is None


@pytest.mark.parametrize(("phi", "silent"), [(0.0, low), (1.0, high)])
def test_rule_08_phi_0_silences_low_and_phi_1_silences_high(phi: float, silent: Fused) -> None:
    s = scene()
    own, peer = torch.rand(M).clamp(0.01, 0.99), torch.rand(M)
    sure = own > phi
    unsure = ~sure & (own < peer)
    assert not (sure & unsure).any()
    for fused, selected in ((high, sure), (low, unsure)):
        chosen = s._replace(selected_M=selected & labels.valid(s.label_M))
        assert (fused(chosen, 0.1, weights(chosen, "class")).item() == 0) == (fused is silent)


@pytest.mark.parametrize("reduction", ["class", "pixel"])
def test_absent_classes_are_neither_anchors_nor_negatives(reduction: contrast.Reduction) -> None:
    s = scene()
    present_K = torch.tensor([True, False, True, True])
    s.bank_KND[1], s.peer_bank_KND[1] = 0.0, 0.0  # an unfilled queue
    weight_M = weights(s, reduction, present_K)
    kept = (0, 2, 3)
    assert_same(high(s, 0.1, weight_M, present_K), slow_high(s, 0.1, reduction, kept), s.feat_MD, 1e-6)
    assert_same(low(s, 0.1, weight_M, present_K), slow_low(s, 0.1, reduction, kept), s.feat_MD, 1e-6)


@pytest.mark.parametrize("fused", [high, low])
def test_rows_of_absent_classes_and_void_count_zero_whatever_their_weight(fused: Fused) -> None:
    s = scene()
    present_K = torch.tensor([True, False, True, True])
    fits = present_K[s.label_M.long().clamp(max=K - 1)] & labels.valid(s.label_M)
    heavy = torch.ones(M)
    all_rows = fused(s, 0.1, heavy, present_K)
    torch.testing.assert_close(all_rows, fused(s, 0.1, heavy * fits, present_K), rtol=1e-12, atol=0)
    (grad,) = torch.autograd.grad(all_rows, s.feat_MD)
    assert grad[~fits].abs().sum() == 0 and (grad[fits].abs().sum(1) > 0).all()


def test_rule_12_padding_rows_change_no_value() -> None:
    s = scene()
    padding = torch.full((M,), labels.PADDING, dtype=torch.uint8)
    doubled = s._replace(
        feat_MD=torch.cat([s.feat_MD, torch.randn(M, D)]),
        peer_MD=torch.cat([s.peer_MD, s.peer_MD]),
        label_M=torch.cat([s.label_M, padding]),
        selected_M=torch.cat([s.selected_M, torch.ones(M, dtype=torch.bool)]),
    )
    for fused in (high, low):
        for reduction in ("class", "pixel"):
            before, after = fused(s, 0.1, weights(s, reduction)), fused(doubled, 0.1, weights(doubled, reduction))
            torch.testing.assert_close(after, before, rtol=1e-6, atol=0)


@pytest.mark.parametrize("reduction", ["class", "pixel"])
def test_rule_17_shares_of_two_workers_with_global_counts_add_up(reduction: contrast.Reduction) -> None:
    s = scene()
    parts = [Scene(*(t[part] for t in s[:4]), *s[4:]) for part in (slice(0, 13), slice(13, M))]
    count_K = sum(contrast.class_counts(part.label_M, part.selected_M, K) for part in parts)
    assert isinstance(count_K, Tensor)
    for fused in (high, low):
        shares = [
            fused(p, 0.1, contrast.row_weights(p.label_M, p.selected_M, count_K, reduction=reduction)) for p in parts
        ]
        torch.testing.assert_close(shares[0] + shares[1], fused(s, 0.1, weights(s, reduction)), rtol=1e-6, atol=0)


def test_row_weights_add_up_to_one_and_to_equal_parts_a_class() -> None:
    s = scene()
    assert weights(s, "pixel").sum().item() == pytest.approx(1)
    by_class = weights(s, "class")
    share = [by_class[s.label_M == c].sum().item() for c in range(K)]
    assert share == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    assert by_class[~s.selected_M].sum() == 0
    nothing = s._replace(selected_M=torch.zeros(M))
    assert weights(nothing, "class").sum() == 0 and weights(nothing, "pixel").sum() == 0


def test_class_counts_equal_the_loop() -> None:
    s = scene()
    s.selected_M[0] = True  # a void row, selected by mistake
    count = contrast.class_counts(s.label_M, s.selected_M, K)
    assert count.tolist() == [sum(bool(x) for x in s.selected_M[s.label_M == c]) for c in range(K)]
    assert contrast.row_weights(s.label_M, s.selected_M, count, reduction="pixel")[0] == 0


def test_rows_follow_the_order_of_flattened_labels() -> None:
    map_BDhw = torch.randn(2, 3, 4, 5)
    label_Bhw = torch.arange(2 * 4 * 5).view(2, 4, 5)
    place = [(b, y, x) for b in range(2) for y in range(4) for x in range(5)]
    for m, (b, y, x) in enumerate(place):
        assert torch.equal(contrast.rows(map_BDhw)[m], map_BDhw[b, :, y, x]) and label_Bhw[b, y, x] == m


def test_normalise_is_float32_unit_length_and_leaves_zero_alone() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        unit = contrast.normalise(torch.randn(9, 4).bfloat16())
    assert unit.dtype == torch.float32
    torch.testing.assert_close(unit.norm(dim=1), torch.ones(9))
    assert contrast.normalise(torch.zeros(2, 4)).abs().sum() == 0


def test_compact_gives_the_selected_rows_and_the_same_loss() -> None:
    s = scene()
    index, weight_M = contrast.compact(s.selected_M), weights(s, "class")
    assert index.tolist() == [m for m in range(M) if s.selected_M[m]]
    few = Scene(*(t[index] for t in s[:4]), *s[4:])
    for fused in (high, low):
        torch.testing.assert_close(fused(few, 0.1, weight_M[index]), fused(s, 0.1, weight_M), rtol=1e-12, atol=0)


def test_query_cap_takes_a_uniform_subset_of_fixed_size() -> None:
    selected_M = torch.arange(M) % 3 == 0  # 20 rows
    generator = torch.Generator().manual_seed(3)
    taken = torch.zeros(M)
    for _ in range(600):
        index_Q, scale = contrast.query_cap(selected_M, 8, generator)
        assert len(set(index_Q.tolist())) == 8 and selected_M[index_Q].all() and scale.item() == 2.5
        taken[index_Q] += 1
    # 240 expected for each; the standard deviation is 12
    assert (taken[selected_M] - 240).abs().max() < 60


def test_query_cap_leaves_the_mean_of_the_loss_unchanged() -> None:
    s = scene()
    weight_M = weights(s, "class")
    generator = torch.Generator().manual_seed(0)
    draws = []
    with torch.no_grad():
        for _ in range(400):
            index, scale = contrast.query_cap(s.selected_M, 12, generator)
            few = Scene(*(t[index] for t in s[:4]), *s[4:])
            draws.append(high(few, 0.1, weight_M[index] * scale).item())
        exact = high(s, 0.1, weight_M).item()
    mean, spread = torch.tensor(draws).mean().item(), torch.tensor(draws).std().item()
    assert abs(mean - exact) < 4 * spread / math.sqrt(len(draws)) and spread > 0


@pytest.mark.parametrize("chosen", [0, 3])
def test_query_cap_with_few_rows_selected_is_exact(chosen: int) -> None:
    s = scene()
    few = s._replace(
        selected_M=torch.arange(M).sub(5).clamp(0, chosen).eq(torch.arange(M).sub(5)) & (torch.arange(M) > 5)
    )
    assert few.selected_M.sum() == chosen
    index, scale = contrast.query_cap(few.selected_M, 8, torch.Generator().manual_seed(0))
    weight_M = weights(few, "pixel")
    assert len(index) == 8 and scale.item() == 1
    assert weight_M[index].sum().item() == pytest.approx(float(chosen > 0))


def test_query_cap_beyond_the_rows_takes_them_all_and_below_one_is_refused() -> None:
    index, _ = contrast.query_cap(torch.ones(5, dtype=torch.bool), 100, torch.Generator())
    assert sorted(index.tolist()) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="leave max_queries unset"):
        contrast.query_cap(torch.ones(5, dtype=torch.bool), 0, torch.Generator())


def test_wrong_arguments_say_what_is_allowed() -> None:
    s = scene()
    with pytest.raises(ValueError, match="above 0, found 0"):
        high(s, 0.0, weights(s, "class"))
    with pytest.raises(ValueError, match="'class' or 'pixel'"):
        contrast.row_weights(s.label_M, s.selected_M, torch.ones(K), reduction="image")  # type: ignore[arg-type]
