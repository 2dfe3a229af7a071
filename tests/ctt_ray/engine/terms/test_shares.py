"""What two workers compute of their halves adds up to the loss of the whole batch, gradients too."""

import pytest
import torch
from step_views import one_view, shared_by_two, term_of
from tiny_runs import make_engine
from torch import Tensor

from ctt_ray.engine.auxiliaries import KINDS
from ctt_ray.engine.terms import TERMS, StepView

OPTIONS = {
    "trusted_pixels": {"threshold": 0.5, "start": 0.0},
    "trusted_images": {"threshold": 0.0},
    "guided": {"threshold": 0.2},
}
CASES = [
    ("advsemiseg", "adversarial"),
    ("advsemiseg", "trusted_pixels"),
    ("s4gan", "feature_matching"),
    ("s4gan", "trusted_images"),
    ("ecs", "approved"),
    ("ecs", "corrected"),
    ("gct", "guided"),
]


@pytest.mark.parametrize(("method", "name"), CASES)
def test_shares_of_a_term_add_up(method: str, name: str) -> None:
    engine = make_engine(method, dropout=0.0)
    if method == "s4gan":
        engine.beside.nets["critic"].dropout = 0.0
    view, term = one_view(engine, count=4), term_of(engine, name, **OPTIONS.get(name, {}))
    expected = TERMS[name](view, term)
    found = sum(shared_by_two(view, lambda half: TERMS[name](half, term)))
    assert isinstance(found, Tensor)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    leaves = [out.logits_BKhw for out in (view.labelled["s0"], view.outs["weak"]["s0"])]
    ours, theirs = (
        torch.autograd.grad(value, leaves, retain_graph=True, allow_unused=True) for value in (found, expected)
    )
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize("method", ["advsemiseg", "s4gan", "ecs", "gct"])
def test_shares_of_an_own_loss_add_up(method: str) -> None:
    engine = make_engine(method, dropout=0.0)
    if method == "s4gan":
        engine.beside.nets["critic"].dropout = 0.0
    (spec,) = engine.plan.auxiliaries
    view, loss = one_view(engine, count=4), KINDS[spec.kind].loss
    assert loss is not None

    def own(seen: StepView) -> Tensor:
        return loss(seen, spec)

    torch.testing.assert_close(sum(shared_by_two(view, own)), own(view), rtol=1e-4, atol=1e-6)
