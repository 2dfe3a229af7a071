"""What students see and are told: second draws, dropped features, a mixer for some of the images, who labels in which pass."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from step_views import one_view
from tiny_runs import make_batch, make_engine, make_samples, parameters
from torch import Tensor, nn

from ctt_ray import methods
from ctt_ray.batch import Samples
from ctt_ray.config import RunConfig
from ctt_ray.engine import Engine
from ctt_ray.engine.views import Sights, Target, mix_mask, teach, weak_view
from ctt_ray.maths import draws, mix
from ctt_ray.plan import Plan

UNIMATCH = methods.build("unimatch", {})
VIEW = RunConfig().view
KEYS = 600


def picked(samples: Samples, order: list[int]) -> Samples:
    return Samples(samples.image_B3HW[order], samples.label_BHW[order], samples.key_B[order], samples.number_B[order])


def sights_of(samples: Samples, plan: Plan = UNIMATCH, *, step: int = 0) -> Sights:
    """With one source whose labels and confidences say which image they are of."""
    code_BHW = torch.arange(len(samples), dtype=torch.uint8)[:, None, None].expand(samples.label_BHW.shape)
    target = Target(code_BHW.masked_fill(samples.label_BHW == 254, 254), code_BHW / 16)
    return Sights(plan, VIEW, samples, plan.views, {"t": target}, lambda use: draws.generator(step, use))


def test_the_second_strong_view_differs_in_mask_and_in_colour() -> None:
    samples, plan = make_samples(3, 6), replace(UNIMATCH, mixer="cutmix", mix_p=1.0)
    sights = sights_of(samples, plan)
    one, other = sights.masks["strong"], sights.masks["strong2"]
    assert one is not None and other is not None
    assert all(not torch.equal(a, b) for a, b in zip(one, other, strict=True))
    plain = sights_of(samples, replace(plan, mixer="none"))
    colours = plain.image("strong", "s0"), plain.image("strong2", "s0"), weak_view(samples)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        unlike = [not torch.equal(x, y) for x, y in zip(colours[a], colours[b], strict=True)]
        assert sum(unlike) >= 4, (a, b)  # jitter has p 0.8, blur 0.5


def test_classmix_takes_other_classes_in_the_second_view() -> None:
    samples = make_samples(3, 6)
    target = Target(torch.randint(0, 9, (6, 32, 32)).to(torch.uint8), torch.rand(6, 32, 32))
    plan = replace(UNIMATCH, mixer="classmix", mix_p=1.0)
    sights = Sights(plan, VIEW, samples, plan.views, {"t": target}, lambda use: draws.generator(0, use))
    one, other = sights.masks["strong"], sights.masks["strong2"]
    assert one is not None and other is not None
    assert all(not torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_both_strong_views_are_functions_of_the_keys() -> None:
    """Not of the step, nor of the place in the batch."""
    samples, order = make_samples(3, 4), [2, 0, 3, 1]
    plan = replace(UNIMATCH, mixer="none")
    masks, moved = sights_of(samples), sights_of(picked(samples, order), step=9)
    colours, moved_colours = sights_of(samples, plan), sights_of(picked(samples, order), plan, step=9)
    for view in ("strong", "strong2"):
        one, other = masks.masks[view], moved.masks[view]  # type: ignore[index]
        assert one is not None and other is not None and torch.equal(one[order], other)
        image, again = colours.image(view, "s0"), moved_colours.image(view, "s0")  # type: ignore[arg-type]
        assert torch.equal(image[order], again)


@pytest.mark.parametrize("method", ["unimatch", "fixmatch", "cutmix", "classmix", "gta_seg", "ctt"])
def test_rule_09_in_every_view_a_pixel_of_image_label_confidence_and_padding_is_of_one_image(method: str) -> None:
    plan = methods.build(method, {"mixer": "cutmix"})
    samples = make_samples(5, 4)
    for b in range(4):
        samples.label_BHW[b, : 3 * b] = 254  # each has padding of its own
    shown = torch.arange(4, dtype=torch.uint8)[:, None, None, None].expand_as(samples.image_B3HW)
    sights = sights_of(replace(samples, image_B3HW=shown), replace(plan, colour=False))
    values = weak_view(replace(samples, image_B3HW=shown))[:, 0, 0, 0].tolist()  # what each image's pixels became
    for view in plan.views:
        image_BHW = sights.image(view, plan.students[0])[:, 0]
        origin_BHW = sum((image_BHW == value) * number for number, value in enumerate(values))
        target, padding_BHW = sights.targets[view]["t"], sights.padding(view)
        inside_BHW = target.label_BHW < 254
        assert torch.equal(inside_BHW, ~padding_BHW) and padding_BHW.any()
        assert torch.equal(target.label_BHW[inside_BHW], origin_BHW[inside_BHW].to(torch.uint8))
        assert torch.equal(target.conf_BHW, origin_BHW / 16)
        if view in ("strong", "strong2"):
            assert not torch.equal(origin_BHW, torch.arange(4)[:, None, None].expand(4, 32, 32))


def test_rule_09_all_students_share_one_layout_whatever_their_colours() -> None:
    plan = replace(methods.build("ctt", {"mixer": "cutmix"}), colour_per_student=True)
    samples = make_samples(5, 4)
    sights = sights_of(samples, plan)
    mask = sights.masks["strong"]
    one, other = sights.image("strong", "s0"), sights.image("strong", "s1")
    assert not torch.equal(one, other)
    plain = sights_of(samples, replace(plan, mixer="none"))
    for student, image in (("s0", one), ("s1", other)):
        assert mask is not None and torch.equal(image, mix.mix(plain.image("strong", student), mask))


def test_rule_24_a_mixer_with_p_mixes_that_share_of_the_images_by_their_keys() -> None:
    samples = Samples(
        torch.zeros(KEYS, 3, 8, 8, dtype=torch.uint8), torch.zeros(KEYS, 8, 8, dtype=torch.uint8),
        torch.arange(KEYS) * 7919, torch.arange(KEYS),
    )  # fmt: skip
    plan = replace(UNIMATCH, mixer="cutmix")
    always, half, never = (mix_mask(replace(plan, mix_p=p), samples, {}, torch.Generator()) for p in (1.0, 0.5, 1e-9))
    assert always is not None and half is not None and never is not None
    mixes = half.flatten(1).any(1)
    assert abs(float(mixes.float().mean()) - 0.5) < 4 * (0.25 / KEYS) ** 0.5
    assert torch.equal(half[mixes], always[mixes]) and not half[~mixes].any() and not never.any()
    again = mix_mask(replace(plan, mix_p=0.5), picked(samples, [5, 3]), {}, torch.Generator())
    assert again is not None and torch.equal(again, half[[5, 3]])
    second = mix_mask(replace(plan, mix_p=0.5), samples, {}, torch.Generator(), salt=1_000_003)
    assert second is not None
    both = (mixes & second.flatten(1).any(1)).float().mean()
    assert abs(float(both) - 0.25) < 4 * (0.1875 / KEYS) ** 0.5, "the two views draw apart"


def test_an_image_that_is_not_mixed_is_whole() -> None:
    samples = make_samples(5, 8)
    sights = sights_of(samples, replace(UNIMATCH, mix_p=0.5, colour=False))
    weak, strong, mask = weak_view(samples), sights.image("strong", "s0"), sights.masks["strong"]
    assert mask is not None
    for b in range(8):
        if not mask[b].any():
            assert torch.equal(strong[b], weak[(b + 1) % 8])
            assert (sights.targets["strong"]["t"].label_BHW[b] == (b + 1) % 8).all()
    assert 0 < sum(bool(m.any()) for m in mask) < 8


def test_without_colour_the_strong_view_is_the_weak_one_mixed() -> None:
    samples = make_samples(5, 4)
    for method, same in (("cutmix", True), ("gta_seg", True), ("cps", True), ("mean_teacher", False)):
        plan = methods.build(method, {"mixer": "cutmix"})
        sights = sights_of(samples, plan)
        mask = sights.masks["strong"]
        assert mask is not None
        assert torch.equal(sights.image("strong", plan.students[0]), mix.mix(weak_view(samples), mask)) == same


def test_weak_and_dropped_views_are_the_weak_image_unmixed() -> None:
    samples = make_samples(5, 4, padding=True)
    for method, view in (("unimatch", "dropped"), ("cps", "weak")):
        plan = methods.build(method, {})
        sights = sights_of(samples, plan)
        assert torch.equal(sights.image(view, "s0"), weak_view(samples))  # type: ignore[arg-type]
        assert torch.equal(sights.padding(view), samples.label_BHW == 254)  # type: ignore[arg-type]
        inside = samples.label_BHW < 254
        expected = torch.arange(4, dtype=torch.uint8)[:, None, None].expand_as(inside)[inside]
        assert torch.equal(sights.targets[view]["t"].label_BHW[inside], expected)  # type: ignore[index]


@contextmanager
def watched(net: nn.Module) -> Iterator[list[Any]]:
    """(input, arguments, whether gradients are recorded) of each pass."""
    calls: list[Any] = []
    handle = net.register_forward_pre_hook(lambda _, given: calls.append((*given, torch.is_grad_enabled())))
    yield calls
    handle.remove()


def test_the_dropped_pass_leaves_the_running_statistics_alone() -> None:
    """Its features have twice the variance, and no evaluation drops any."""
    one, other = (make_engine("unimatch", lambda plan, p=p: replace(plan, drop=p)) for p in (0.5, 0.9))
    for engine in (one, other):
        engine.step(make_batch(0))
    theirs = dict(other.students["s0"].named_buffers())
    assert all(torch.equal(value, theirs[name]) for name, value in one.students["s0"].named_buffers())


def test_the_dropped_view_lacks_whole_channels_of_the_backbones_features() -> None:
    """Half of them in expectation, each image its own, the rest doubled; no other view lacks any; the next step drops others."""
    engine = make_engine("unimatch", dropout=0.0)
    backbone, head = engine.students["s0"].backbone, engine.students["s0"].head
    for number in range(2):
        made: list[Any] = []
        handle = backbone.register_forward_hook(lambda _, given, out, made=made: made.append(out))  # type: ignore[union-attr]
        with watched(head) as calls:  # type: ignore[arg-type]
            engine.step(make_batch(number))
        handle.remove()
        assert len(calls) == 5  # source, labelled, strong, strong2, dropped
        for place, (features, call) in enumerate(zip(made, calls, strict=True)):
            for full, given in zip(features, call, strict=False):
                gone = (given == 0).flatten(2).all(2) & ~(full == 0).flatten(2).all(2)
                if place < 4:
                    assert torch.equal(full, given)
                    continue
                assert 0.25 < float(gone.float().mean()) < 0.75
                assert not torch.equal(gone[0], gone[1])
                assert torch.equal(given, 2 * full * ~gone[:, :, None, None])
    assert engine.plan.drop == 0.5


def test_fixmatchs_source_pass_has_no_gradient_and_leaves_the_statistics() -> None:
    """The student's running statistics are those of the labelled and the strong pass alone; the loss is by hand."""
    engine = make_engine("fixmatch", dropout=0.0, ct_threshold=0.34)
    net = copy.deepcopy(engine.students["s0"]).train()
    batch = make_batch(0)
    with watched(engine.students["s0"]) as calls:
        engine.step(batch)
    assert [call[-1] for call in calls] == [False, True, True]
    weak, view_l, strong = (call[0] for call in calls)
    assert torch.equal(weak, weak_view(batch.unlabelled)) and torch.equal(view_l, weak_view(batch.labelled))

    with torch.no_grad():
        said = teach(copy.deepcopy(net)(weak).logits_BKhw, batch.unlabelled.label_BHW == 254)
        net(view_l)
        out = net(strong).logits_BKhw
    now = engine.students["s0"].state_dict()
    statistics = {key: value for key, value in net.state_dict().items() if "running" in key}
    assert statistics and all(torch.equal(value, now[key]) for key, value in statistics.items())

    sights = sights_of(batch.unlabelled, engine.plan)
    mask = sights.masks["strong"]
    assert mask is not None
    label, conf = mix.mix(said.label_BHW, mask), mix.mix(said.conf_BHW, mask)
    log_p = nn.functional.interpolate(out, size=(32, 32), mode="bilinear").log_softmax(1)
    pixels = [(b, y, x) for b, y, x in (label < 254).nonzero().tolist()]
    sure = [pixel for pixel in pixels if float(conf[pixel]) >= 0.34]
    assert 0 < len(sure) < len(pixels), "the threshold must matter"
    expected = sum(-float(log_p[b, int(label[b, y, x]), y, x]) for b, y, x in sure) / len(pixels)
    assert engine.meter.read()["s0<-s0/ct"] == pytest.approx(expected, rel=1e-5)


def test_a_student_may_label_as_it_is_scored() -> None:
    engine = make_engine("fixmatch", label_mode="eval")
    student, batch = engine.students["s0"], make_batch(0)
    for name, value in student.named_buffers():
        if name.endswith("running_mean"):
            value.fill_(0.3)  # unlike this batch's
    scored = copy.deepcopy(student).eval()
    passes: list[tuple[bool, Tensor]] = []
    student.register_forward_hook(lambda net, _, out: passes.append((net.training, out.logits_BKhw.detach())))
    engine.step(batch)
    (mode, said), *others = passes
    assert not mode and len(others) == 2 and all(learns for learns, _ in others)
    assert torch.equal(said, scored(weak_view(batch.unlabelled)).logits_BKhw)


def test_rule_05_students_label_each_other_with_the_weights_at_step_start() -> None:
    """Swapping the two permutes the result: neither sees the other's update, whichever is first."""
    for method in ("direct_mutual", "cps"):
        one, other = make_engine(method, dropout=0.0), make_engine(method, dropout=0.0)
        other.students["s0"].load_state_dict(one.students["s1"].state_dict())
        other.students["s1"].load_state_dict(one.students["s0"].state_dict())
        for t in range(3):
            one.step(make_batch(t))
            other.step(make_batch(t))
        ours, theirs = parameters(one), parameters(other)
        assert torch.equal(ours["s0"], theirs["s1"]) and torch.equal(ours["s1"], theirs["s0"]), method


def test_cps_targets_are_the_others_outputs_in_the_very_same_pass() -> None:
    """With dropout on a second pass would differ; padding keeps its code, and each network sees each image once."""
    engine = make_engine("cps", dropout=0.5)
    batch = make_batch(0)
    with watched(engine.students["s0"]) as calls:
        view = one_view(engine)
    assert len(calls) == 2 and torch.equal(calls[1][0], weak_view(batch.unlabelled))
    for route in engine.plan.routes:
        target = engine.objectives.target(route, view)
        logits = nn.functional.interpolate(
            view.outs["weak"][route.source].logits_BKhw, size=(32, 32), mode="bilinear", align_corners=False
        )
        padding = batch.unlabelled.label_BHW == 254
        assert torch.equal(target.label_BHW, logits.argmax(1).to(torch.uint8).masked_fill(padding, 254))
        assert not target.conf_BHW.requires_grad


def step_of(*weights: float, **values: Any) -> Tensor:
    """What one plain step of UniMatch changes, with these weights of its three losses and no labelled one."""

    def change(plan: Plan) -> Plan:
        routes = tuple(
            replace(r, weight=w) for r, w in zip(plan.routes, weights or (r.weight for r in plan.routes), strict=True)
        )
        return replace(plan, routes=routes, supervised_weight=0.0)

    plain: dict[str, Any] = {"dropout": 0.0, "momentum": 0.0, "weight_decay": 0.0, "ct_threshold": 0.3}
    engine: Engine = make_engine("unimatch", change, **{**plain, **values})
    before = parameters(engine)["s0"]
    engine.step(make_batch(0))
    return parameters(engine)["s0"] - before


def test_unimatchs_three_losses_weigh_a_quarter_a_quarter_and_a_half() -> None:
    plan = methods.build("unimatch", {"lambda_ct": 0.8})
    assert {route.view: route.weight for route in plan.routes} == pytest.approx(
        {"strong": 0.2, "strong2": 0.2, "dropped": 0.4}
    )
    assert plan.supervised_weight == 0.5
    whole = step_of(lambda_ct=0.8)
    apart = [step_of(*(float(place == number) for place in range(3))) for number in range(3)]
    assert all(float(part.abs().max()) > 1e-5 for part in apart)
    torch.testing.assert_close(whole, 0.2 * apart[0] + 0.2 * apart[1] + 0.4 * apart[2], rtol=1e-3, atol=1e-7)
    assert not torch.allclose(apart[0], apart[1], rtol=1e-2) and not torch.allclose(apart[0], apart[2], rtol=1e-2)
