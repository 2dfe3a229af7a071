"""What a run really built, read back from its live objects: the proof that sampled values were used.

A value can be sampled, written down and then not reach the optimiser or a loss. So the hash that a run reports is that of
its configuration only if the objects that train hold every value of READINGS; else it is another one.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ctt_ray import methods

if TYPE_CHECKING:
    from ctt_ray.engine import Engine

Reading = Callable[["Engine"], Iterable[float]]  # the value at every place that holds it; none where nothing does


def differences(engine: Engine) -> dict[str, float]:
    """Names of the configuration whose value some object does not have, with the value found there; {} if all agree.

    A parameter that the method does not read is not compared. Sums and quotients agree within 1e-9 of the value.
    """
    asked = {**engine.config.optim.model_dump(), **_settled(engine)}
    return {
        name: value
        for name, reading in READINGS.items()
        if name in asked
        for value in reading(engine)
        if not math.isclose(value, asked[name], rel_tol=1e-9)
    }


def built_hash(engine: Engine) -> str:
    """The configuration's hash if everything is as it says, else one of 16 digits that no configuration has."""
    found = differences(engine)
    if not found:
        return engine.config.hash()
    return hashlib.sha256(f"{engine.config.hash()} {json.dumps(found, sort_keys=True)}".encode()).hexdigest()[:16]


def _settled(engine: Engine) -> dict[str, Any]:
    return methods.settled(engine.plan.method, engine.config.params.model_dump())


def _optimiser(option: str) -> Reading:
    """Of every group; the head's learning rate has its own reading."""
    return lambda engine: (g[option] for optimiser in engine.optimisers.values() for g in optimiser.param_groups)


def _lr(engine: Engine) -> Iterable[float]:
    return (optimiser.param_groups[0]["base_lr"] for optimiser in engine.optimisers.values())


def _head_factor(engine: Engine) -> Iterable[float]:
    for optimiser in engine.optimisers.values():
        backbone, head = (group["base_lr"] for group in optimiser.param_groups)
        yield head / backbone


def _pseudo_labels(engine: Engine) -> Iterable[float]:
    """lambda_ct: the weights of a student's routes add up to it, or each is it (`ct_combine: sum`). A method without routes has
    it on the term that is its pseudo-label loss."""
    if not engine.plan.routes:
        terms = [term for term in engine.plan.terms if term.name in PSEUDO_LABELS]
        yield from [float(term.options.get("consistency", term.weight) or 0.0) for term in terms] or [0.0]
    for student in {route.learner for route in engine.plan.routes}:
        weights = [route.weight for route in engine.plan.routes if route.learner == student]
        yield sum(weights) / (len(weights) if _settled(engine).get("ct_combine") == "sum" else 1)


def _weight(term: str) -> Reading:
    """Of every student, 0 for one that does not have the term: a loss that is computed and not added shows here."""

    def read(engine: Engine) -> Iterable[float]:
        for student in engine.plan.students:
            yield sum(t.weight for t in engine.plan.terms if t.name == term and t.learner == student)

    return read


def _option(option: str, *terms: str) -> Reading:
    return lambda engine: (float(t.options[option] or 0.0) for t in engine.plan.terms if t.name in terms)


HIGH, LOW = "contrast_high", "contrast_low"
PSEUDO_LABELS = ("balanced_labels", "fused_labels", "guided")
READINGS: dict[str, Reading] = {
    "lr": _lr,
    "lr_head_factor": _head_factor,
    "momentum": _optimiser("momentum"),
    "weight_decay": _optimiser("weight_decay"),
    "lambda_sup": lambda engine: [engine.plan.supervised_weight],
    "lambda_ct": _pseudo_labels,
    "lambda_hc": _weight(HIGH),
    "lambda_lc": _weight(LOW),
    "tau_hc": _option("tau", HIGH),
    "tau_lc": _option("tau", LOW),
    "phi": _option("phi", HIGH, LOW),
    "n_q": lambda engine: (bank.rows_KND.shape[1] for bank in engine.banks.by_teacher.values()),
    "ct_threshold": lambda engine: (route.threshold for route in engine.plan.routes),
    "ema_decay": lambda engine: (follow.decay for follow in engine.plan.follows if follow.when == "step"),
}
