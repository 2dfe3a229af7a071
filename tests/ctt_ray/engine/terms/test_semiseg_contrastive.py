"""Memory contrast and entropy by loops."""

import math

import pytest
import torch
import torch.nn.functional as F
from tiny_views import SMALL, B, D, K, Totals, label_map, outputs, step_view
from torch import Tensor

from ctt_ray.engine.terms import TERMS
from ctt_ray.engine.views import Target
from ctt_ray.maths import labels
from ctt_ray.maths.bank import ClassBank
from ctt_ray.nets.auxiliary.projection import MemoryHeads
from ctt_ray.plan import Term

SLOTS = 4
term = Term(name="memory_contrast", learner="s0", teacher="t0", weight=1.0, aux="heads", options={"queries": 99})


def bank() -> ClassBank:
    """Class 0 full, class 1 half full, class 2 empty."""
    made = ClassBank(K, SLOTS, D)
    rows = F.normalize(torch.randn(K, SLOTS, D, generator=torch.Generator().manual_seed(9)), dim=2)
    made.push(rows, torch.arange(SLOTS) < torch.tensor([4, 2, 0])[:, None])
    return made


def target(images: slice = slice(None)) -> Target:
    label = label_map(4, void=labels.PADDING)[images]
    return Target(label, torch.ones_like(label, dtype=torch.float32))


def heads() -> MemoryHeads:
    torch.manual_seed(2)
    return MemoryHeads(D, K)


def slow(net: MemoryHeads, memory: ClassBank, feats: list[Tensor]) -> Tensor:
    total = torch.zeros(())
    for feat, label_BHW in zip(feats, (label_map(3), target().label_BHW), strict=True):
        label = labels.nearest(label_BHW, (SMALL, SMALL))
        for k in range(K):
            held = memory.rows_KND[k, : int(memory.fill_K[k])]
            places = [(b, y, x) for b in range(B) for y in range(SMALL) for x in range(SMALL) if label[b, y, x] == k]
            if not len(held):
                continue
            stored = F.normalize(net.projection(held), dim=1).detach()
            slot_weight = net.memory_selectors(stored.expand(K, -1, -1))[k]
            rows = torch.stack(
                [net.prediction(net.projection(F.normalize(feat[b, :, y, x], dim=0))) for b, y, x in places]
            )
            row_weight = net.feature_selectors(rows.detach().expand(K, -1, -1))[k]
            distance = 1 - F.normalize(rows, dim=1) @ stored.T
            weighted = distance * (row_weight / row_weight.mean())[:, None] * (slot_weight / slot_weight.mean())
            total = total + weighted.mean() / K
    return total


def test_value_is_the_weighted_distance_to_the_memory_mean_over_classes() -> None:
    view = step_view({"heads": heads()}, target=target(), bank=bank())
    leaves = [view.labelled["s0"].feat_BDhw, view.outs["strong"]["s0"].feat_BDhw]
    found, expected = TERMS["memory_contrast"](view, term), slow(heads(), bank(), leaves)
    torch.testing.assert_close(found, expected)
    grads, slow_grads = torch.autograd.grad(found, leaves), torch.autograd.grad(expected, leaves)
    for grad, slow_grad in zip(grads, slow_grads, strict=True):
        torch.testing.assert_close(grad, slow_grad)


def test_two_workers_add_up_with_their_gradients() -> None:
    whole, nets = Totals(), [heads() for _ in range(3)]
    TERMS["memory_contrast"](step_view({"heads": nets[0]}, target=target(), bank=bank(), data=whole), term).backward()
    for net, part in zip(nets[1:], (slice(0, 1), slice(1, 2)), strict=True):
        told = Totals(whole.said, size=2)
        view = step_view({"heads": net}, images=part, target=target(part), bank=bank(), data=told)
        TERMS["memory_contrast"](view, term).backward()
    for expected, one, other in zip(*(net.parameters() for net in nets), strict=True):
        assert expected.grad is not None and one.grad is not None and other.grad is not None
        torch.testing.assert_close(one.grad + other.grad, expected.grad, rtol=1e-3, atol=1e-6)


def test_an_empty_memory_costs_nothing() -> None:
    view = step_view({"heads": heads()}, target=target(), bank=ClassBank(K, SLOTS, D))
    assert TERMS["memory_contrast"](view, term).item() == 0


def test_both_kinds_of_features_learn_and_the_memory_does_not() -> None:
    memory = bank()
    before = memory.rows_KND.clone()
    view = step_view({"heads": heads()}, target=target(), bank=memory)
    leaves = [view.labelled["s0"].feat_BDhw, view.outs["strong"]["s0"].feat_BDhw]
    grads = torch.autograd.grad(TERMS["memory_contrast"](view, term), leaves)
    assert all(grad.abs().sum() > 0 for grad in grads) and torch.equal(memory.rows_KND, before)


def test_entropy_is_one_where_nothing_is_known_and_the_mean_inside() -> None:
    entropy = Term(name="entropy", learner="s0", weight=1.0)
    probs = outputs(2).logits_BKhw.softmax(1)[:, :, 1:]
    expected = -(probs * probs.log()).sum(1).mean() / math.log(K)
    torch.testing.assert_close(TERMS["entropy"](step_view(), entropy), expected)
    view = step_view()
    with torch.no_grad():
        view.outs["strong"]["s0"].logits_BKhw.zero_()
    assert TERMS["entropy"](view, entropy).item() == pytest.approx(1)
