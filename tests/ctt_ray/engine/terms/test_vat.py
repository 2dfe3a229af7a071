"""VAT's term on a real step."""

import torch
from step_views import one_view, term_of
from tiny_runs import make_engine
from torch import Tensor
from torch.nn import functional as F

from ctt_ray.engine.terms import TERMS
from ctt_ray.maths import vat


def test_no_radius_no_loss_though_dropout_is_on() -> None:
    """All passes have equal draws of dropout: only the perturbation makes a difference."""
    engine = make_engine("vat", dropout=0.5)
    view = one_view(engine)
    assert float(TERMS["virtual_adversarial"](view, term_of(engine, "virtual_adversarial", radius=0.0)).detach()) < 1e-7


def test_it_is_the_divergence_at_the_perturbation_of_the_maths() -> None:
    engine = make_engine("vat", dropout=0.0)
    view, term = one_view(engine), term_of(engine, "virtual_adversarial")
    image, inside = view.sights.image("weak", "s0"), ~view.sights.padding("weak")

    def logits_of(seen: Tensor) -> Tensor:
        return F.interpolate(view.net("s0", seen).logits_BKhw, (32, 32), mode="bilinear", align_corners=False)

    clean = logits_of(image).detach()
    draws = view.draws("vat s0 0")
    shift = vat.perturbation(logits_of, image, clean.softmax(1), inside, vat.radius(image), draws)
    moved = logits_of(image + shift)
    kl = (clean.softmax(1) * (clean.log_softmax(1) - moved.log_softmax(1))).sum(1)[inside].mean()
    torch.testing.assert_close(TERMS["virtual_adversarial"](view, term), kl, rtol=1e-3, atol=1e-7)


def test_it_learns_only_its_student_and_leaves_its_statistics_alone() -> None:
    engine = make_engine("vat")
    view = one_view(engine)
    before = {key: value.clone() for key, value in engine.students["s0"].named_buffers()}
    TERMS["virtual_adversarial"](view, term_of(engine, "virtual_adversarial")).backward()
    assert any(p.grad is not None and p.grad.any() for p in engine.students["s0"].parameters())
    after = engine.students["s0"].named_buffers()
    assert all(torch.equal(value, before[key]) for key, value in after if value.is_floating_point())


def test_draws_are_a_function_of_the_step() -> None:
    engine = make_engine("vat")
    view, term = one_view(engine), term_of(engine, "virtual_adversarial")
    state = torch.get_rng_state()
    first = TERMS["virtual_adversarial"](view, term)
    torch.set_rng_state(state)
    torch.randn(3)
    assert torch.equal(first, TERMS["virtual_adversarial"](view, term))
