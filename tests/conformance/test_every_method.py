"""Promises that every method of METHODS keeps; a new one is picked up by itself."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch
from tiny_runs import make_batch, make_engine, open_gate, parameters, same_state

from ctt_ray import methods
from ctt_ray.config import ConfigError, MethodParams
from ctt_ray.engine import Engine
from ctt_ray.plan import CONTRASTS, Follow, Plan
from ctt_ray.train.built import differences

VARIANTS = {**{name: {} for name in methods.METHODS}, "ctt_3": {"pairs": 3}, "ctt_1": {"pairs": 1, "lambda_lc": 0.0}}
every_method = pytest.mark.parametrize("variant", VARIANTS)


def engine_of(variant: str, **values: object) -> Engine:
    change = values.pop("change", lambda plan: plan)
    method = variant if variant in methods.METHODS else variant.partition("_")[0]
    return make_engine(method, change, **{**VARIANTS[variant], **values})  # type: ignore[arg-type]


def learning(engine: Engine) -> Engine:
    """Where its last stage has begun: every route and term learns."""
    start = engine.timeline.starts[-1]
    engine.iteration = start + 1 if start else 0
    return engine


def plan_of(variant: str) -> Plan:
    return engine_of(variant).plan


def moved(engine: Engine, number: int = 0) -> set[str]:
    """Names of the students whose parameters one step changes; weight decay is off, so only a gradient can."""
    learning(engine)
    before = parameters(engine)
    engine.step(make_batch(number))
    after = parameters(engine)
    return {name for name in engine.students if not torch.equal(before[name], after[name])}


@every_method
def test_plan_survives_json(variant: str) -> None:
    plan = plan_of(variant)
    assert Plan.from_dict(plan.to_dict()) == plan
    assert Plan.from_dict(plan.to_dict()).hash() == plan.hash()


@every_method
def test_a_run_reads_back_the_values_that_it_was_asked_for(variant: str) -> None:
    """Or a campaign fails every trial of the method."""
    asked = {"lambda_sup": 0.8, "lambda_ct": 0.7, "ct_threshold": 0.61, "ema_decay": 0.93}
    assert differences(engine_of(variant)) == {}
    assert differences(engine_of(variant, **asked)) == {}


@every_method
def test_networks_share_no_storage_and_teachers_start_as_copies(variant: str) -> None:
    engine = engine_of(variant)
    for (_, a), (_, b) in combinations(engine.networks.items(), 2):
        pointers = {t.data_ptr() for t in a.state_dict().values() if t.numel()}
        assert pointers.isdisjoint(t.data_ptr() for t in b.state_dict().values() if t.numel())
    for teacher, net in engine.teachers.items():
        leader = engine.students[engine.plan.leader(teacher)].state_dict()
        assert all(torch.equal(value, leader[key]) for key, value in net.state_dict().items())


@every_method
def test_students_start_with_different_heads(variant: str) -> None:
    first = parameters(engine_of(variant))
    for a, b in combinations([name for name in first if name.startswith("s")], 2):
        assert not torch.equal(first[a], first[b])


def alone(plan: Plan) -> tuple[Follow, ...]:
    """Without the follows that move students."""
    return tuple(follow for follow in plan.follows if follow.follower in plan.teachers)


@every_method
def test_each_route_alone_moves_its_learner_and_nobody_else(variant: str) -> None:
    for route in plan_of(variant).routes:
        sure = replace(route, threshold=0.0)  # fresh networks are unsure of everything
        engine = engine_of(
            variant,
            weight_decay=0.0,
            change=lambda p, r=sure: replace(p, supervised_weight=0.0, routes=(r,), terms=(), follows=alone(p)),
        )
        assert moved(engine) == {route.learner}


@every_method
def test_each_term_alone_moves_its_learner_and_nobody_else(variant: str) -> None:
    for term in plan_of(variant).terms:
        phi = (
            0.1 if term.name == "contrast_high" else 0.9
        )  # fresh networks are unsure: make pixels qualify on either side
        eager = {key: 0.0 for key in ("threshold", "start") if key in term.options}  # critics are unsure too, and wait
        changed = replace(term, options={**term.options, **({"phi": phi} if term.name in CONTRASTS else eager)})
        engine = engine_of(
            variant,
            weight_decay=0.0,
            change=lambda p, t=changed: replace(p, supervised_weight=0.0, routes=(), terms=(t,)),
        )
        open_gate(engine)
        assert moved(engine) == {term.learner}, term.name


@every_method
def test_supervised_loss_moves_every_student(variant: str) -> None:
    engine = engine_of(variant, weight_decay=0.0, change=lambda p: replace(p, routes=(), terms=(), follows=alone(p)))
    assert moved(engine) == set(engine.plan.learn_from_labels)


@every_method
def test_weight_zero_equals_removal_bitwise(variant: str) -> None:
    """All extra weights at 0 give the same step as a plan without routes and terms that sees the same images."""
    plan = plan_of(variant)
    routes = tuple(replace(route, weight=0.0) for route in plan.routes)
    terms = tuple(replace(term, weight=0.0) for term in plan.terms)
    zero = engine_of(variant, change=lambda p: replace(p, routes=routes, terms=terms))
    gone = engine_of(variant, change=lambda p: replace(p, routes=routes, terms=()))
    open_gate(zero)
    for engine in (zero, gone):
        learning(engine)
    for t in range(2):
        zero.step(make_batch(t))
        gone.step(make_batch(t))
    for name, vector in parameters(gone).items():
        assert torch.equal(vector, parameters(zero)[name])


@every_method
def test_teachers_have_no_gradient_and_follow(variant: str) -> None:
    engine = engine_of(variant)
    follows = {follow.follower: follow for follow in engine.plan.follows}
    for t in range(4):
        before = parameters(engine)
        engine.step(make_batch(t))
        after, stage = parameters(engine), engine.timeline.number(t)
        for name, net in engine.teachers.items():
            assert all(p.grad is None and not p.requires_grad for p in net.parameters())
            follow, leader = follows[name], engine.students[engine.plan.leader(name)].state_dict()
            if follow.when == "step" and stage == follow.since and t == engine.timeline.starts[stage]:
                # decay_0 = 0: the first update is the student, bit for bit, averaged buffers included
                assert all(torch.equal(value, leader[key]) for key, value in net.state_dict().items())
            elif follow.when == "step" and stage >= follow.since:
                assert not torch.equal(after[name], after[follow.leader])
                assert not torch.equal(after[name], before[name])
            elif engine.timeline.begins(t):
                assert torch.equal(after[name], before[follow.leader])
            else:
                assert torch.equal(after[name], before[name])


@every_method
def test_hidden_truth_of_unlabelled_images_is_never_learnt(variant: str) -> None:
    """The ids under unlabelled pixels are for diagnostics: other ids give the same step; only 254 means something."""
    one, other = engine_of(variant), engine_of(variant)
    open_gate(one)
    open_gate(other)
    batch = make_batch(0)
    lied = batch.unlabelled.label_BHW.clone()
    lied[lied < 254] = 1
    one.step(batch)
    other.step(replace(batch, unlabelled=replace(batch.unlabelled, label_BHW=lied)))
    assert same_state(one, other)


@every_method
def test_saving_and_loading_changes_nothing(variant: str, tmp_path: Path) -> None:
    engine = engine_of(variant)
    for t in range(2):
        engine.step(make_batch(t))
    engine.save(tmp_path / "a", {"note": 1})
    again = engine_of(variant)
    assert again.load(tmp_path / "a") == {"note": 1}
    assert same_state(engine, again)
    engine.step(make_batch(2))
    again.step(make_batch(2))
    assert same_state(engine, again)


@every_method
def test_a_short_run_goes_on_over_every_stage_as_if_never_stopped(variant: str, tmp_path: Path) -> None:
    """Resumed at iterations 2, 3 and 5, where rounds begin or have just begun."""
    whole = engine_of(variant, iterations=8, rounds=2)
    parts = engine_of(variant, iterations=8, rounds=2)
    for t in range(6):
        whole.step(make_batch(t))
        parts.step(make_batch(t))
        if t in (1, 2, 4):
            parts.save(tmp_path / str(t), {})
            parts = engine_of(variant, iterations=8, rounds=2)
            parts.load(tmp_path / str(t))
        assert same_state(whole, parts), t


@every_method
def test_checkpoint_of_another_plan_is_refused(variant: str, tmp_path: Path) -> None:
    engine = engine_of(variant)
    engine.save(tmp_path / "a", {})
    other = engine_of(variant, change=lambda p: replace(p, supervised_weight=0.7))
    with pytest.raises(ConfigError, match=r"supervised_weight differ.*new --name"):
        other.load(tmp_path / "a")


def test_every_parameter_of_a_method_is_a_field_of_the_configuration() -> None:
    for name in methods.METHODS:
        unknown = set(methods.parameters(name)) - set(MethodParams.model_fields)
        assert not unknown, f"{name} reads {unknown}, which no user can set"


@pytest.mark.parametrize("method", methods.METHODS)
def test_every_parameter_that_a_method_reads_changes_its_plan(method: str) -> None:
    """A value that can be searched and does nothing would make a campaign lie."""
    own = methods.settled(method, {})
    base = {**own, "pairs": 3}  # with two, the mean over the others is their sum
    for name, value in own.items():
        others = (other for other in (*OTHERS.get(name, ()), *_other(value)) if other != value)
        base_plan = methods.build(method, base)
        changed = any(methods.build(method, {**base, name: other}) != base_plan for other in others)
        assert changed, f"{method} reads {name}, and it does nothing"


OTHERS: dict[str, tuple[object, ...]] = {
    "ct_combine": ("mean", "sum"), "ct_gate": ("pixel", "none"), "ct_denominator": ("all", "valid"),
    "ema_buffers": ("own", "copy"), "mixer": ("classmix", "none", "cutmix"), "contrast_reduction": ("pixel",),
    "contrast_conf": ("cross_teacher",), "max_queries": (7,), "bank_add": (3,), "bank_select": ("random",),
    "bank_gate": ("present_classes",), "bank_teacher": ("step_start",), "pairs": (4,), "warmup": (0.25,),
}  # fmt: skip


def _other(value: object) -> tuple[object, ...]:
    if isinstance(value, bool):
        return (not value,)
    return (value + 1, value / 2) if isinstance(value, int | float) else ()


def test_defaults_of_methods_and_configuration_agree() -> None:
    """A plan built without values equals the one built from the default configuration."""
    for name, function in methods.METHODS.items():
        assert function() == methods.build(name, MethodParams().model_dump())
