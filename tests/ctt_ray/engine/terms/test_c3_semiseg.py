"""Balanced labels and the cross-set contrast by loops."""

import math

import pytest
import torch
import torch.nn.functional as F
from tiny_views import LARGE, B, C, K, Totals, label_map, outputs, step_view
from torch import Tensor

from ctt_ray.engine.terms import TERMS
from ctt_ray.engine.views import Target
from ctt_ray.maths import labels
from ctt_ray.nets.auxiliary.projection import CrossSetHead
from ctt_ray.plan import Term

balanced = Term(
    name="balanced_labels", learner="s0", teacher="t0", weight=1.0, aux="head", options={"ramp": 0.2}
)  # fmt: skip


def head(share: float = 0.5) -> CrossSetHead:
    torch.manual_seed(2)
    return CrossSetHead(C, K, outputs=4, share=share)


def target(images: slice = slice(None)) -> Target:
    label = label_map(4, void=labels.PADDING)
    conf = torch.rand(label.shape, generator=torch.Generator().manual_seed(8)).half().float()
    return Target(label[images], conf[images])


def test_the_surest_half_of_each_class_is_learnt() -> None:
    found, net = target(), head()
    value = TERMS["balanced_labels"](step_view({"head": net}, target=found), balanced)
    logits = F.interpolate(outputs(2).logits_BKhw, (LARGE, LARGE), mode="bilinear")
    losses: list[Tensor] = []
    for k in range(K):
        of_class = sorted(found.conf_BHW[found.label_BHW == k].tolist(), reverse=True)
        least = of_class[math.ceil(len(of_class) / 2) - 1]
        keep = (found.label_BHW == k) & (found.conf_BHW >= least)
        losses.append(-logits.log_softmax(1)[:, k][keep])
        assert net.thresholds.value_K[k].item() == pytest.approx(least, abs=1e-3)
    torch.testing.assert_close(value, torch.cat(losses).mean())


def test_balanced_labels_of_two_workers_add_up_and_move_the_thresholds_alike() -> None:
    whole, nets = Totals(), [head() for _ in range(3)]
    value = TERMS["balanced_labels"](step_view({"head": nets[0]}, target=target(), data=whole), balanced)
    parts = []
    for net, part in zip(nets[1:], (slice(0, 1), slice(1, 2)), strict=True):
        view = step_view({"head": net}, images=part, target=target(part), data=Totals(whole.said, size=2))
        parts.append(TERMS["balanced_labels"](view, balanced))
    torch.testing.assert_close(sum(parts), value)
    assert all(torch.equal(net.thresholds.value_K, nets[0].thresholds.value_K) for net in nets)


ROWS, TAU = 8, 0.3
cross = Term(
    name="cross_set_contrast", learner="s0", teacher="t0", weight=1.0, aux="head", options={"tau": TAU, "rows": ROWS}
)


def scene() -> tuple[Target, Tensor]:
    """Labels and pseudo-labels at the backbone's 2 x 2: two pixels of each class in either, the rest void or unsure."""
    small_l = torch.tensor([[[0, 0], [1, 1]], [[2, 2], [255, 255]]], dtype=torch.uint8)
    small_u = torch.tensor([[[0, 1], [2, 2]], [[0, 0], [1, 1]]], dtype=torch.uint8)
    conf = torch.tensor([[[0.9, 0.9], [0.9, 0.9]], [[0.9, 0.1], [0.9, 0.1]]])

    def large(small: Tensor) -> Tensor:
        return small.repeat_interleave(4, 1).repeat_interleave(4, 2)

    return Target(large(small_u), large(conf)), large(small_l)


def test_cross_set_contrast_equals_the_loop_over_anchors_and_keys() -> None:
    """Four real pixels a class, so that each fills its queue of eight twice."""
    found, label = scene()
    net = head()
    net.thresholds.value_K.fill_(0.5)
    view = step_view({"head": net}, target=found)
    view.label_BHW.copy_(label)
    high = torch.cat([outputs(1).high_BChw, outputs(2).high_BChw])
    rows = F.normalize(net.projection(high.permute(0, 2, 3, 1).flatten(0, 2)), dim=1).detach()
    small_u = labels.nearest(found.label_BHW, (2, 2)).masked_fill(labels.nearest(found.conf_BHW, (2, 2)) < 0.5, 255)
    ids = torch.cat([labels.nearest(label, (2, 2)), small_u]).flatten()
    assert [int((ids == k).sum()) for k in range(K)] == [4, 4, 4] and B == 2
    losses = []
    for p in range(len(ids)):
        if ids[p] < K:
            exponent = {q: math.exp(float(rows[p] @ rows[q]) / TAU) for q in range(len(ids)) if ids[q] < K}
            negatives = sum(
                2 * e for q, e in exponent.items() if ids[q] != ids[p]
            )  # each key stands twice in its queue
            own = [e for q, e in exponent.items() if ids[q] == ids[p]]
            losses.append(sum(-math.log(e / (e + negatives)) for e in own) / len(own))
    value = TERMS["cross_set_contrast"](view, cross)
    assert value.item() == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def test_half_of_the_rows_are_where_the_student_errs() -> None:
    from ctt_ray.engine.terms.cross_set_contrast import _drawn

    label_M, right_M = torch.zeros(40, dtype=torch.uint8), torch.arange(40) < 30
    few = Term(name="cross_set_contrast", learner="s0", weight=1.0, options={"tau": TAU, "rows": 8})
    index, valid = _drawn(step_view(), few, "anchors", (torch.zeros(40, C), label_M, right_M), K)
    assert valid.tolist() == [[True] * 8, [False] * 8, [False] * 8]
    assert int(right_M[index[0]].sum()) == 4 and len(set(index[0].tolist())) == 8


def test_labelled_and_unlabelled_features_learn_and_keys_do_not() -> None:
    found, label = scene()
    view = step_view({"head": head()}, target=found)
    view.label_BHW.copy_(label)
    leaves = [view.labelled["s0"].high_BChw, view.outs["strong"]["s0"].high_BChw]
    grads = torch.autograd.grad(TERMS["cross_set_contrast"](view, cross), leaves)
    assert all(grad.abs().sum() > 0 for grad in grads)
    alone = step_view({"head": head()}, target=found)
    alone.label_BHW.fill_(labels.VOID)
    found.label_BHW.fill_(1)  # one class: nothing to be told from
    assert TERMS["cross_set_contrast"](alone, cross).item() == 0
