"""Cross-consistency by hand."""

import math

import pytest
import torch
from tiny_views import SMALL, B, D, K, outputs, step_view
from torch import Tensor, nn

from ctt_ray.engine.terms import TERMS
from ctt_ray.nets.auxiliary.auxiliary_decoders import AuxiliaryDecoders
from ctt_ray.plan import Term

term = Term(name="auxiliary_decoders", learner="s0", weight=1.0, view="weak", aux="decoders", options={"ramp": 0.1})
value_of = TERMS["auxiliary_decoders"]


class Two(nn.Module):
    """Answers that depend on the features and are known."""

    def forward(self, feat_BDhw: Tensor, label_Bhw: Tensor, generator: torch.Generator) -> list[Tensor]:
        return [feat_BDhw[:, :K], 2 * feat_BDhw[:, K : 2 * K]]


def test_value_is_the_mean_squared_distance_over_decoders_places_and_classes() -> None:
    out = outputs(2)
    main = out.logits_BKhw.softmax(1)
    expected = []
    for answer in Two()(out.feat_BDhw, main, torch.Generator()):
        inside = (answer.softmax(1) - main)[:, :, 1:]  # the first row of places is padding
        expected.append(inside.square().sum() / (K * B * SMALL * (SMALL - 1)))
    torch.testing.assert_close(value_of(step_view({"decoders": Two()}), term), sum(expected) / 2)


def test_ramp_scales_it() -> None:
    late, early = (value_of(step_view({"decoders": Two()}, progress=p), term).item() for p in (0.1, 0.05))
    assert early == pytest.approx(math.exp(-1.25) * late)


def test_features_and_decoders_learn_and_the_main_decoders_answer_does_not() -> None:
    decoders = AuxiliaryDecoders(D, K)
    view = step_view({"decoders": decoders})
    value_of(view, term).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in decoders.parameters())
    logits, feat, _ = view.outs["weak"]["s0"]
    assert torch.autograd.grad(value_of(view, term), [logits], allow_unused=True) == (None,)
    (grad,) = torch.autograd.grad(value_of(view, term), [feat])
    assert grad[:, :, 1:].abs().sum() > 0 and grad[:, :, 0].abs().sum() == 0
