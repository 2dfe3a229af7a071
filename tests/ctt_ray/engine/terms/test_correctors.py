"""ECS and GCT by hand on a real step."""

import math

import pytest
import torch
from step_views import one_view, term_of
from tiny_runs import make_engine
from torch import Tensor, nn
from torch.nn import functional as F

from ctt_ray.engine.auxiliaries import KINDS
from ctt_ray.engine.terms import TERMS, StepView
from ctt_ray.maths import flaws
from ctt_ray.nets import NetOut

K = 3


def probs(out: NetOut) -> Tensor:
    return F.interpolate(out.logits_BKhw, (32, 32), mode="bilinear", align_corners=False).softmax(1)


class Says(nn.Module):
    """A corrector or a detector that has its answer already, one for each image that it may be asked about."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, image: Tensor, probs: Tensor) -> Tensor:
        return self.answer + 0 * probs.sum(1, keepdim=self.answer.ndim == 4)


def test_approved_asks_for_right_everywhere_and_reaches_the_student_through_the_corrector() -> None:
    engine = make_engine("ecs")
    view = one_view(engine)
    known = view.label_BHW < 254
    answer = engine.beside.nets["corrector"](view.image_l_B3HW, probs(view.labelled["s0"]))
    expected = -answer.log_softmax(1)[:, K][known].mean()
    found = TERMS["approved"](view, term_of(engine, "approved"))
    torch.testing.assert_close(found, expected)
    found.backward()
    assert any(p.grad is not None and p.grad.any() for p in engine.students["s0"].parameters())


def test_corrected_learns_the_amended_labels_as_surely_as_the_corrector_is() -> None:
    engine = make_engine("ecs")
    view = one_view(engine)
    mine = probs(view.outs["weak"]["s0"])
    answer = torch.randn(2, K + 1, 32, 32) * 3
    view.aux["corrector"] = Says(answer)  # type: ignore[index]
    said, weight = answer.argmax(1), answer.softmax(1).amax(1)
    label = torch.where(said == K, mine.argmax(1), said)
    inside = ~view.sights.padding("weak")
    loss = -mine.log().gather(1, label[:, None])[:, 0] * weight
    assert (said == K).any()
    torch.testing.assert_close(
        TERMS["corrected"](view, term_of(engine, "corrected")), loss[inside].sum() / inside.sum()
    )


def test_the_corrector_learns_where_the_student_is_right() -> None:
    engine = make_engine("ecs")
    view, (spec,) = one_view(engine), engine.plan.auxiliaries
    mine, known = probs(view.labelled["s0"]), view.label_BHW < 254
    truth = view.label_BHW.long()
    target = torch.where(mine.argmax(1) == truth, K, truth)
    answer = engine.beside.nets["corrector"](view.image_l_B3HW, mine)
    expected = F.cross_entropy(answer, target.masked_fill(~known, 255), ignore_index=255)
    assert (target[known] == K).any()
    assert (target[known] != K).any()
    torch.testing.assert_close(KINDS["corrector"].loss(view, spec), expected)  # type: ignore[misc]


def both(view: StepView, student: str) -> Tensor:
    return torch.cat([probs(view.labelled[student]), probs(view.outs["weak"][student])])


@pytest.mark.parametrize(("progress", "growth"), [(0.0, math.exp(-5)), (0.5, 1.0)])
def test_guided_by_hand_of_a_detector_that_cannot_choose(progress: float, growth: float) -> None:
    """Equal flaws: each keeps its own, the consistency is 0; all bad: the flaw's square remains."""
    engine = make_engine("gct")
    view = one_view(engine, progress=progress)
    flaw = torch.zeros(4, 32, 32)
    flaw[:, :, :16] = 1.0
    view.aux["detector"] = Says(flaw)  # type: ignore[index]
    counts = torch.cat([view.label_BHW < 254, ~view.sights.padding("weak")])
    bad = flaws.cleaned(flaw) > 0.6
    assert bad.any()
    found = TERMS["guided"](view, term_of(engine, "guided", correction=3.0))
    torch.testing.assert_close(found, 3 * (flaw.square() * bad)[counts].sum() / counts.sum())


@pytest.mark.parametrize(("progress", "growth"), [(0.0, math.exp(-5)), (0.5, 1.0)])
def test_guided_follows_the_peer_where_its_flaw_is_smaller(progress: float, growth: float) -> None:
    engine = make_engine("gct")
    view = one_view(engine, progress=progress)
    own, peer = both(view, "s0"), both(view, "s1")
    flaw_own, flaw_peer = torch.rand(4, 32, 32), torch.rand(4, 32, 32)

    class ByStudent(nn.Module):
        def forward(self, image: Tensor, probs: Tensor) -> Tensor:
            return flaw_own if torch.equal(probs, own) else flaw_peer

    view.aux["detector"] = ByStudent()  # type: ignore[index]
    clean_own, clean_peer = flaws.cleaned(flaw_own), flaws.cleaned(flaw_peer)
    counts = torch.cat([view.label_BHW < 254, ~view.sights.padding("weak")])
    total = 0.0
    for b, y, x in counts.nonzero().tolist():
        mine, theirs = float(clean_own[b, y, x]), float(clean_peer[b, y, x])
        mine, theirs = (1.0 if mine > 0.6 else mine), (1.0 if theirs > 0.6 else theirs)
        if theirs < mine:
            total += 100 * growth * float((own - peer).detach()[b, :, y, x].square().mean())
        if mine == theirs == 1.0:
            total += float(flaw_own[b, y, x]) ** 2
    found = TERMS["guided"](view, term_of(engine, "guided"))
    assert float(found.detach()) == pytest.approx(total / int(counts.sum()), rel=1e-4)


def test_the_consistency_moves_towards_the_peer_and_the_correction_through_the_detector() -> None:
    engine = make_engine("gct")
    view = one_view(engine)
    for options in ({"correction": 0.0, "threshold": 1.0}, {"consistency": 0.0, "threshold": -1.0}):
        engine.students["s0"].zero_grad()
        with engine.beside.judging():
            TERMS["guided"](view, term_of(engine, "guided", **options)).backward(retain_graph=True)
        assert any(p.grad is not None and p.grad.any() for p in engine.students["s0"].parameters()), options
        assert all(
            p.grad is None for net in (engine.students["s1"], *engine.beside.nets.values()) for p in net.parameters()
        )


def test_the_detector_learns_the_flaws_of_every_student() -> None:
    engine = make_engine("gct")
    view, (spec,), net = one_view(engine), engine.plan.auxiliaries, engine.beside.nets["detector"]
    known, parts = view.label_BHW < 254, []
    for student in ("s0", "s1"):
        seen = probs(view.labelled[student])
        parts.append((net(view.image_l_B3HW, seen) - flaws.flaw_target(seen, view.label_BHW)).square()[known].mean())
    torch.testing.assert_close(KINDS["flaw_detector"].loss(view, spec), sum(parts) / 2)  # type: ignore[misc]
