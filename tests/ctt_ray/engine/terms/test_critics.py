"""AdvSemiSeg's and s4GAN's losses by hand on a real step; the critics learn and nobody else does."""

import pytest
import torch
from step_views import one_view, term_of
from tiny_runs import make_batch, make_engine
from torch import Tensor, nn
from torch.nn import functional as F

from ctt_ray.engine import Engine
from ctt_ray.engine.auxiliaries import KINDS
from ctt_ray.engine.terms import TERMS, StepView

SIZE = (32, 32)


def probs_of(view: StepView, labelled: bool) -> Tensor:
    out = view.labelled["s0"] if labelled else view.outs["weak"]["s0"]
    return F.interpolate(out.logits_BKhw, SIZE, mode="bilinear", align_corners=False).softmax(1)


def own_loss(engine: Engine, view: StepView) -> Tensor:
    (spec,) = engine.plan.auxiliaries
    loss = KINDS[spec.kind].loss
    assert loss is not None
    return loss(view, spec)


def judge(net: nn.Module, score: float) -> None:
    """Make a critic answer `score` (a probability) everywhere."""
    judge = net.judge
    assert isinstance(judge, nn.Conv2d | nn.Linear) and judge.bias is not None
    with torch.no_grad():
        judge.weight.zero_()
        judge.bias.fill_(torch.tensor(score).logit())


def test_adversarial_is_the_mean_over_pixels_with_a_class() -> None:
    engine = make_engine("advsemiseg")
    view, critic = one_view(engine), engine.beside.nets["critic"]
    score_l, score_u = critic(probs_of(view, True)).sigmoid(), critic(probs_of(view, False)).sigmoid()
    known, inside = view.label_BHW < 254, ~view.sights.padding("weak")
    assert 0 < int(inside.sum()) < inside.numel() > int(known.sum()) > 0
    for share in (0.0, 0.1, 2.0):
        expected = -score_l[known].log().mean() - share * score_u[inside].log().mean()
        torch.testing.assert_close(
            TERMS["adversarial"](view, term_of(engine, "adversarial", unlabelled=share)), expected
        )


def test_trusted_pixels_are_those_that_the_critic_believes() -> None:
    engine = make_engine("advsemiseg")
    view, critic = one_view(engine), engine.beside.nets["critic"]
    score, probs, inside = critic(probs_of(view, False)).sigmoid(), probs_of(view, False), ~view.sights.padding("weak")
    middle = float(score.detach().median())
    used = (score > middle) & inside
    expected = -probs.max(1).values[used].log().mean()
    term = term_of(engine, "trusted_pixels", threshold=middle, start=0.25)
    torch.testing.assert_close(TERMS["trusted_pixels"](view, term), expected)
    judge(critic, 0.3)
    assert TERMS["trusted_pixels"](view, term_of(engine, "trusted_pixels", threshold=0.31)) == 0


def test_own_labels_wait_for_their_start() -> None:
    engine = make_engine("advsemiseg")
    term = term_of(engine, "trusted_pixels", threshold=0.0, start=0.25)
    assert TERMS["trusted_pixels"](one_view(engine, progress=0.24), term) == 0
    assert TERMS["trusted_pixels"](one_view(engine, progress=0.25), term) > 0


def test_the_pixel_critic_tells_label_maps_from_predictions() -> None:
    engine = make_engine("advsemiseg")
    view, critic = one_view(engine), engine.beside.nets["critic"]
    known = view.label_BHW < 254
    truth = F.one_hot(view.label_BHW.long().clamp(max=3), 4)[..., :3].permute(0, 3, 1, 2).float()
    fake, real = critic(probs_of(view, True)).sigmoid()[known], critic(truth).sigmoid()[known]
    torch.testing.assert_close(own_loss(engine, view), -(real.log().mean() + (1 - fake).log().mean()) / 2)


def unit(image: Tensor) -> Tensor:
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    return (image - low) / (high - low)


def plain_critic(engine: Engine) -> nn.Module:
    """The image critic without dropout."""
    critic = engine.beside.nets["critic"]
    critic.dropout = 0.0
    return critic


def shown(view: StepView) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """What the image critic sees: label maps with their images, predictions with theirs."""
    truth = F.one_hot(view.label_BHW.long().clamp(max=3), 4)[..., :3].permute(0, 3, 1, 2).float()
    inside = ~view.sights.padding("weak")[:, None]
    return (unit(view.image_l_B3HW), truth), (unit(view.sights.image("weak", "s0")), probs_of(view, False) * inside)


def test_feature_matching_is_the_distance_of_the_means() -> None:
    engine = make_engine("s4gan")
    critic, view = plain_critic(engine), one_view(engine, count=3)
    real, fake = (critic(*pair).feat_BC.mean(0) for pair in shown(view))
    term = term_of(engine, "feature_matching")
    torch.testing.assert_close(TERMS["feature_matching"](view, term), (real - fake).abs().mean())


def test_trusted_images_count_whole_or_not() -> None:
    engine = make_engine("s4gan")
    critic, view = plain_critic(engine), one_view(engine, count=3)
    probs, inside = probs_of(view, False), ~view.sights.padding("weak")
    score = critic(*shown(view)[1]).logit_B.sigmoid()
    middle = float(score.detach().median())
    used = inside & (score > middle)[:, None, None]
    assert int((score > middle).sum()) == 1
    term = term_of(engine, "trusted_images", threshold=middle)
    torch.testing.assert_close(TERMS["trusted_images"](view, term), -probs.max(1).values[used].log().mean())
    judge(critic, 0.59)
    assert TERMS["trusted_images"](view, term_of(engine, "trusted_images")) == 0


def test_the_image_critic_tells_label_maps_from_predictions() -> None:
    engine = make_engine("s4gan")
    critic, view = plain_critic(engine), one_view(engine, count=3)
    real, fake = (critic(*pair).logit_B.sigmoid() for pair in shown(view))
    torch.testing.assert_close(own_loss(engine, view), -(real.log().mean() + (1 - fake).log().mean()) / 2)


def test_the_image_critics_dropout_is_drawn_from_step_and_use() -> None:
    engine = make_engine("s4gan")
    view, other = one_view(engine), one_view(make_engine("s4gan"))
    first, again = own_loss(engine, view), own_loss(engine, view)
    assert torch.equal(first, again)
    assert torch.equal(first, own_loss(engine, other))
    engine.beside.nets["critic"].dropout = 0.0
    assert not torch.equal(first, own_loss(engine, view))


@pytest.mark.parametrize("method", ["advsemiseg", "s4gan", "ecs", "gct"])
def test_an_own_loss_moves_its_network_and_reaches_no_student(method: str) -> None:
    engine = make_engine(method)
    view = one_view(engine)
    own_loss(engine, view).backward()
    (net,) = engine.beside.nets.values()
    assert any(p.grad is not None and p.grad.any() for p in net.parameters())
    assert all(p.grad is None for student in engine.students.values() for p in student.parameters())


@pytest.mark.parametrize("method", ["advsemiseg", "s4gan", "ecs", "gct"])
def test_its_gradient_lowers_it_and_a_step_of_the_engine_moves_the_network(method: str) -> None:
    engine = make_engine(method, aux_lr=1e-3)
    (net,) = engine.beside.nets.values()
    before = [p.detach().clone() for p in net.parameters()]
    engine.step(make_batch(0))
    assert all(not torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True))
    view = one_view(engine)
    value = own_loss(engine, view)
    value.backward()
    with torch.no_grad():
        for parameter in net.parameters():
            assert parameter.grad is not None
            parameter -= 1e-3 * parameter.grad
    assert own_loss(engine, view) < value
