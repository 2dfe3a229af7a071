"""The loss of a route equals the loop over pixels, for every gate, weight and denominator (docs/equations.md#routes)."""

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_runs import make_batch, make_engine
from torch import Tensor
from two_workers import Half, both

from ctt_ray.engine.routes import on_labelled, reweighted, route_loss
from ctt_ray.engine.views import Target, weak_view
from ctt_ray.engine.world import Group
from ctt_ray.maths import labels
from ctt_ray.nets import NetOut
from ctt_ray.plan import Route

KINDS: dict[str, dict[str, Any]] = {
    "none": {},
    "all_pixels_below": {"denominator": "all"},
    "pixel": {"gate": "pixel", "threshold": 0.6},
    "pixel_all_below": {"gate": "pixel", "threshold": 0.6, "denominator": "all"},
    "batch_fraction": {"gate": "batch_fraction", "threshold": 0.6},
    "class_share": {"gate": "class_share"},
    "reweight": {"gate": "reweight", "keep": 0.75},
    "mse": {"loss": "mse"},
    "mse_batch_fraction": {"loss": "mse", "gate": "batch_fraction", "threshold": 0.6},
    "mse_reweight": {"loss": "mse", "gate": "reweight", "keep": 0.75},
    "gamma": {"gamma": 5.0},
    "surer": {"surer": True},
    "dmt": {"gamma": 2.0, "surer": True, "gate": "class_share"},
}
every_kind = pytest.mark.parametrize("kind", KINDS)
ALONE = Group([0], 0)
THRESHOLD_K = torch.tensor([0.3, 0.55, 0.8], dtype=torch.float64)


def route(**values: Any) -> Route:
    return Route(learner="s", source="t", **values)


def make(seed: int = 0, count: int = 2, size: int = 6) -> tuple[Tensor, Target]:
    """Logits that ask for a gradient, and a target with void, padding and confidences that do not repeat."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, 3, size, size, generator=generator, dtype=torch.float64)
    probs = torch.randn(count, 3, size, size, generator=generator, dtype=torch.float64).softmax(1)
    label = torch.randint(0, 3, (count, size, size), generator=generator).to(torch.uint8)
    label[:, 0], label[0, 1:3] = 254, 255
    pixels = count * size * size
    conf = (torch.randperm(pixels, generator=generator).double() + 0.5) / pixels
    return logits.requires_grad_(), Target(label, conf.view(label.shape), probs)


def out(logits: Tensor) -> NetOut:
    return NetOut(logits, logits, logits)


def loop(route: Route, logits: Tensor, target: Target) -> Tensor:
    """Pixel after pixel. The weights are numbers, so no gradient flows through them."""
    count, _, height, width = logits.shape
    pixels = [
        (b, y, x) for b in range(count) for y in range(height) for x in range(width) if target.label_BHW[b, y, x] < 254
    ]
    kappas = {p: float(target.conf_BHW[p]) for p in pixels}
    sure = sum(kappa >= route.threshold for kappa in kappas.values()) / max(1, len(pixels))
    dropped = sorted(pixels, key=kappas.__getitem__)[: math.floor((1 - route.keep) * len(pixels))]
    total, below = logits.sum() * 0, 0.0
    for b, y, x in pixels:
        label, kappa = int(target.label_BHW[b, y, x]), kappas[b, y, x]
        p = logits[b, :, y, x].softmax(0)
        if route.loss == "ce":
            value = -p[label].log()
        else:
            assert target.probs_BKHW is not None
            value = sum((p[k] - target.probs_BKHW[b, k, y, x]) ** 2 for k in range(3))
        weight, counts = {
            "none": (1.0, 1.0),
            "pixel": (float(kappa >= route.threshold), 1.0),
            "batch_fraction": (sure, 1.0),
            "class_share": (float(kappa >= THRESHOLD_K[label]), float(kappa >= THRESHOLD_K[label])),
            "reweight": (0.0, 1.0) if (b, y, x) in dropped else (1 + kappa, 1 + kappa),
        }[route.gate]
        own = p.detach()
        weight *= float(own[label]) ** route.gamma
        if route.surer and int(own.argmax()) != label and kappa <= float(own.max()):
            weight = 0.0
        total, below = total + weight * value, below + counts
    return total / (count * height * width if route.denominator == "all" else max(below, 1e-12))


def loss_and_gradient(value: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    (gradient,) = torch.autograd.grad(value, logits)
    return value.detach(), gradient


def found(route: Route, logits: Tensor, target: Target, data: Group = ALONE) -> tuple[Tensor, Tensor]:
    return loss_and_gradient(route_loss(route, out(logits), target, data, threshold_K=THRESHOLD_K), logits)


@every_kind
def test_value_and_gradient_equal_the_loop(kind: str) -> None:
    logits, target = make()
    expected = loss_and_gradient(loop(route(**KINDS[kind]), logits, target), logits)
    assert expected[0] > 0.01 and expected[1].abs().max() > 1e-4
    torch.testing.assert_close(found(route(**KINDS[kind]), logits, target), expected, rtol=1e-6, atol=1e-9)


def test_every_kind_has_a_loss_of_its_own() -> None:
    """Or the comparison above would not notice a gate that does nothing."""
    logits, target = make()
    values = [float(found(route(**values), logits, target)[0]) for values in KINDS.values()]
    assert len({round(value, 6) for value in values}) == len(values)


@every_kind
def test_rule_12_nothing_to_learn_from_is_zero_with_a_zero_gradient(kind: str) -> None:
    logits, target = make()
    nothing = replace(target, label_BHW=torch.full_like(target.label_BHW, 254))
    nothing.label_BHW[1] = 255
    value, gradient = found(route(**KINDS[kind]), logits, nothing)
    assert value == 0.0 and torch.equal(gradient, torch.zeros_like(logits))


@every_kind
def test_rule_12_what_stands_under_void_and_padding_does_not_matter(kind: str) -> None:
    logits, target = make()
    outside_BHW = target.label_BHW >= 254
    other = logits.detach().clone().masked_fill_(outside_BHW[:, None], 7.0).requires_grad_()
    probs_BKHW = torch.where(outside_BHW[:, None], torch.full((), 0.9, dtype=torch.float64), target.probs_BKHW)
    lied = Target(target.label_BHW, target.conf_BHW.masked_fill(outside_BHW, 0.99), probs_BKHW)
    value, gradient = found(route(**KINDS[kind]), logits, target)
    torch.testing.assert_close(found(route(**KINDS[kind]), other, lied), (value, gradient), rtol=1e-12, atol=1e-12)
    assert (gradient.masked_select(outside_BHW[:, None]) == 0).all()


@every_kind
def test_rule_17_two_workers_add_up_to_the_whole_batch(kind: str) -> None:
    """Unequal shares of valid pixels; the surest share that `reweight` keeps is a worker's own, so there all are kept."""
    rule = replace(route(**KINDS[kind]), keep=1.0)
    logits, target = make(count=4)
    target.label_BHW[3, 2:] = 255
    expected = found(rule, logits, target)

    def work(half: Half) -> tuple[Tensor, Tensor]:
        pick = slice(half.index, None, 2)
        assert target.probs_BKHW is not None
        mine = logits.detach()[pick].clone().requires_grad_()
        return found(rule, mine, Target(target.label_BHW[pick], target.conf_BHW[pick], target.probs_BKHW[pick]), half)

    (value_0, gradient_0), (value_1, gradient_1) = both(work)
    torch.testing.assert_close(value_0 + value_1, expected[0], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(gradient_0, expected[1][0::2], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(gradient_1, expected[1][1::2], rtol=1e-6, atol=1e-9)


def test_logits_grow_to_the_size_of_the_labels() -> None:
    _, target = make(size=8)
    small = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    grown = torch.nn.functional.interpolate(small, size=(8, 8), mode="bilinear", align_corners=False)
    value = route_loss(route(), out(small), target, ALONE)
    torch.testing.assert_close(value, loop(route(), grown, target), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("keep", "kept"), [(1.0, 10), (0.75, 8), (0.5, 5), (0.05, 1)])
def test_reweight_keeps_the_surest_share_and_counts_the_rest_once(keep: float, kept: int) -> None:
    conf = torch.arange(1, 13).view(1, 3, 4) / 16
    valid = torch.ones(1, 3, 4, dtype=torch.bool)
    valid[0, 2, 2:] = False  # the two surest
    weight, count = reweighted(conf, valid, keep)
    expected = [1 + float(c) if 10 - kept < i + 1 <= 10 else 0.0 for i, c in enumerate(conf.flatten())]
    assert weight.flatten().tolist() == pytest.approx(expected)
    assert float(count) == pytest.approx(sum(expected) + 10 - kept)


def test_gamma_0_without_surer_is_the_plain_loss() -> None:
    logits, target = make()
    one, other = found(route(), logits, target), found(route(gamma=1e-12), logits, target)
    torch.testing.assert_close(one, other)
    assert torch.equal(found(route(gamma=0.0), logits, target)[0], one[0])


def test_surer_by_hand() -> None:
    """Agreement always counts; where the two disagree only a label whose giver is surer does."""
    own = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.8, 0.2]]).log().T.view(1, 2, 1, 3)
    target = Target(torch.tensor([[[0, 1, 1]]], dtype=torch.uint8), torch.tensor([[[0.5, 0.75, 0.85]]]))
    value = route_loss(route(surer=True), out(own), target, ALONE)
    assert float(value) == pytest.approx((-math.log(0.8) + 0 - math.log(0.2)) / 3, rel=1e-5)


@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_on_labelled_images_every_pixel_counts_and_no_gate(loss: str) -> None:
    """The labels are the source's own; neither void nor the source's doubts take a pixel out, and the source gets no gradient."""
    learner, _ = make(1)
    source, target = make(2)
    rule = route(loss=loss, gate="pixel", threshold=0.999, on="all")
    value = on_labelled(rule, out(learner), out(source), target.label_BHW, ALONE)
    probs = source.detach().softmax(1)
    said = Target(probs.argmax(1).to(torch.uint8), probs.max(1).values, probs)
    expected = loss_and_gradient(loop(route(loss=loss), learner, said), learner)
    (to_source,) = torch.autograd.grad(value, source, allow_unused=True, retain_graph=True)
    assert to_source is None
    torch.testing.assert_close(loss_and_gradient(value, learner), expected, rtol=1e-6, atol=1e-9)


def test_on_all_adds_the_labelled_images_to_the_routes_loss() -> None:
    """CPS by hand: each network's own output on the view that both see is the other's label, on either kind of images."""
    engine = make_engine("cps", dropout=0.0)
    students = {name: copy.deepcopy(net).train() for name, net in engine.students.items()}
    batch = make_batch(0)
    out_l, out_u = (
        {name: net(weak_view(samples)).logits_BKhw for name, net in students.items()}
        for samples in (batch.labelled, batch.unlabelled)
    )
    engine.step(batch)
    seen = engine.meter.read()
    padding = batch.unlabelled.label_BHW == 254
    for learner, source in (("s0", "s1"), ("s1", "s0")):
        parts = []
        for outs, left_out in ((out_l, torch.zeros_like(padding)), (out_u, padding)):
            log_p, theirs = (labels.upsample(outs[name], (32, 32)).log_softmax(1) for name in (learner, source))
            parts.append(float(-log_p.detach().gather(1, theirs.argmax(1)[:, None])[:, 0][~left_out].mean()))
        assert seen[f"{learner}<-{source}/ct"] == pytest.approx(sum(parts), rel=1e-5)
