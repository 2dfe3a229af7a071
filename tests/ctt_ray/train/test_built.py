"""The reported hash is of what the live objects hold: each value changed behind the configuration's back shows."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tiny_runs import make_engine

from ctt_ray.engine import Engine
from ctt_ray.plan import Plan
from ctt_ray.train.built import READINGS, built_hash, differences


@pytest.mark.parametrize(
    ("method", "values"),
    [
        ("ctt", {}),
        ("ctt", {"pairs": 3}),
        ("ctt", {"pairs": 3, "ct_combine": "sum"}),
        ("ctt", {"pairs": 4, "lambda_ct": 0.7}),
        ("ctt", {"pairs": 1, "lambda_lc": 0.0}),
        ("ctt", {"lambda_ct": 0.0, "lambda_hc": 0.0}),
        ("ctt", {"lr": 0.0123, "lr_head_factor": 3.7, "tau_hc": 0.07, "n_q": 8}),
        ("mean_teacher", {}),
        ("supervised", {}),
    ],
)
def test_everything_agrees_in_a_run_as_asked(method: str, values: dict[str, Any]) -> None:
    engine = make_engine(method, **values)
    assert differences(engine) == {}
    assert built_hash(engine) == engine.config.hash()


def every_group(option: str, value: float) -> Callable[[Engine], None]:
    def change(engine: Engine) -> None:
        for group in engine.optimisers["s1"].param_groups:
            group[option] = value

    return change


def head_rate(engine: Engine) -> None:
    engine.optimisers["s0"].param_groups[1]["base_lr"] *= 2


def in_plan(change: Callable[[Plan], Plan]) -> Callable[[Engine], None]:
    def apply(engine: Engine) -> None:
        engine.plan = change(engine.plan)

    return apply


def without(term: str) -> Callable[[Plan], Plan]:
    """As in the authors' released code, which computes two losses and does not add them."""
    return lambda plan: replace(plan, terms=tuple(t for t in plan.terms if t.name != term))


def option_of(term: str, option: str, value: float) -> Callable[[Plan], Plan]:
    return lambda plan: replace(
        plan,
        terms=tuple(replace(t, options={**t.options, option: value}) if t.name == term else t for t in plan.terms),
    )


def shorter_queue(engine: Engine) -> None:
    bank = engine.banks.by_teacher["t1"]
    bank.rows_KND = bank.rows_KND[:, :-1]


TAMPERED: dict[str, Callable[[Engine], None]] = {
    "lr": every_group("base_lr", 0.5),
    "lr_head_factor": head_rate,
    "momentum": every_group("momentum", 0.5),
    "weight_decay": every_group("weight_decay", 0.0),
    "lambda_sup": in_plan(lambda plan: replace(plan, supervised_weight=0.5)),
    "lambda_ct": in_plan(lambda plan: replace(plan, routes=plan.routes[:1] + (replace(plan.routes[1], weight=0.5),))),
    "lambda_hc": in_plan(without("contrast_high")),
    "lambda_lc": in_plan(without("contrast_low")),
    "tau_hc": in_plan(option_of("contrast_high", "tau", 0.2)),
    "tau_lc": in_plan(option_of("contrast_low", "tau", 0.2)),
    "phi": in_plan(option_of("contrast_low", "phi", 0.2)),
    "n_q": shorter_queue,
    "ct_threshold": in_plan(lambda p: replace(p, routes=tuple(replace(r, threshold=0.1) for r in p.routes))),
    "ema_decay": in_plan(lambda p: replace(p, follows=tuple(replace(f, decay=0.1) for f in p.follows))),
}


def test_every_reading_has_its_case() -> None:
    assert TAMPERED.keys() == READINGS.keys()


@pytest.mark.parametrize("name", TAMPERED)
def test_a_value_that_did_not_arrive_changes_the_hash(name: str) -> None:
    engine = make_engine()
    TAMPERED[name](engine)
    assert name in differences(engine)
    assert built_hash(engine) != engine.config.hash()


def test_a_dropped_cross_teacher_loss_shows() -> None:
    engine = make_engine()
    engine.plan = replace(engine.plan, routes=())
    assert differences(engine)["lambda_ct"] == 0.0


@pytest.mark.parametrize(("method", "term"), [("c3_semiseg", "balanced_labels"), ("pseudoseg", "fused_labels")])
def test_a_dropped_pseudo_label_term_shows(method: str, term: str) -> None:
    engine = make_engine(method)
    engine.plan = without(term)(engine.plan)
    assert differences(engine)["lambda_ct"] == 0.0


def test_a_method_that_keeps_its_weight_in_a_term_can_have_none() -> None:
    assert differences(make_engine("gct", lambda_ct=0.0)) == {}
