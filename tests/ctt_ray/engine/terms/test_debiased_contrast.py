"""PC2Seg's contrast by a loop over anchors."""

import math

import pytest
import torch
import torch.nn.functional as F
from tiny_views import B, D, K, outputs, step_view

from ctt_ray.engine.terms import TERMS
from ctt_ray.nets.auxiliary.projection import Projection
from ctt_ray.plan import Term

TAU, N = 0.3, 9


def term(queries: int = 999) -> Term:
    options = {"tau": TAU, "negatives": N, "queries": queries, "pool": 999}
    return Term(name="debiased_contrast", learner="s0", weight=1.0, aux="projection", options=options)


def pixels() -> list[tuple[int, int, int]]:
    return [(b, y, x) for b in range(B) for y in range(1, 4) for x in range(4)]  # row 0 is padding


def test_value_is_the_mean_over_pixels_of_the_written_out_loss() -> None:
    torch.manual_seed(1)
    head, strong, weak = Projection(D, D), outputs(2), outputs(5)
    probs = weak.logits_BKhw.softmax(1)
    one, other = (F.normalize(head(out.feat_BDhw.permute(0, 2, 3, 1)), dim=-1).detach() for out in (strong, weak))
    losses = []
    for b, y, x in pixels():
        apart = {
            q: 1 - float((probs[b, :, y, x] * probs[q[0], :, q[1], q[2]]).sum().detach()) for q in pixels() if q[0] != b
        }
        top = math.exp(float(one[b, y, x] @ other[b, y, x]) / TAU)
        below = sum(w * math.exp(float(one[b, y, x] @ other[q]) / TAU) for q, w in apart.items())
        losses.append(-math.log(top / (top + N * below / sum(apart.values()))))
    found = TERMS["debiased_contrast"](step_view({"projection": head}, weak=weak), term())
    assert found.item() == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def test_fewer_anchors_estimate_the_same_mean() -> None:
    torch.manual_seed(1)
    head = Projection(D, D)
    whole = TERMS["debiased_contrast"](step_view({"projection": head}), term()).item()
    some = TERMS["debiased_contrast"](step_view({"projection": head}), term(12)).item()
    assert some == pytest.approx(whole, rel=0.4) and some != whole


def test_only_the_strong_view_and_the_projection_learn() -> None:
    head, weak = Projection(D, D), outputs(5)
    view = step_view({"projection": head}, weak=weak)
    value = TERMS["debiased_contrast"](view, term())
    (grad,) = torch.autograd.grad(value, [view.outs["strong"]["s0"].feat_BDhw], retain_graph=True)
    value.backward()
    assert all(part.grad is None for part in weak) and all(p.grad is not None for p in head.parameters())
    assert grad[:, :, 0].abs().sum() == 0 < grad[:, :, 1:].abs().sum()


def test_one_image_has_no_negatives_and_no_loss() -> None:
    weak = type(outputs(5))(*(part[:1] for part in outputs(5)))
    view = step_view({"projection": Projection(D, D)}, images=slice(0, 1), weak=weak)
    assert TERMS["debiased_contrast"](view, term()).item() == 0
    assert K == 3
