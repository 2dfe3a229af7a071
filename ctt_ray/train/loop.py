"""The one training loop: used by Ray Train workers, single-worker trials and plain processes alike. Knows no Ray."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ctt_ray import methods
from ctt_ray.config import ConfigError, RunConfig
from ctt_ray.placement import layout
from ctt_ray.plan import Plan
from ctt_ray.train.built import built_hash, differences
from ctt_ray.train.session import Interrupted, Metrics, Session

if TYPE_CHECKING:
    from ctt_ray.engine import Engine
    from ctt_ray.stream import SegStream


class Diverged(FloatingPointError):
    """A loss is no number any more; nothing is saved after it."""


def plan_of(config: RunConfig) -> Plan:
    """The plan that a configuration asks for. Raises PlanError for an unknown method or one that cannot work."""
    return methods.build(config.method, config.params.model_dump())


def run(config: RunConfig, session: Session) -> Metrics:
    """Train to the last iteration, reporting on the way; a session with a checkpoint goes on from it.

    Returns the last report. Raises ConfigError or DataError before the first step for what cannot be trained, Diverged at the
    first report with a loss that is not finite, Interrupted after saving when the session asks to stop.
    """
    from ctt_ray.train.setup import build  # torch is loaded here, not when the command line is read

    plan = plan_of(config)
    where = layout(plan, session.world, session.placement, own_accelerators=session.own_accelerators)
    stream, engine = build(config, plan, where, rank=session.rank)
    extra = _resume(engine, stream, session)
    metrics, best, seconds = extra["metrics"], extra["best"], extra["seconds"]
    started = time.monotonic()  # for the metrics only: nothing is decided by it
    for batch in stream:
        if engine.iteration >= config.optim.iterations:
            break
        engine.step(batch)
        last = engine.iteration == config.optim.iterations
        stop = session.stopping() and not last
        if stop or last or engine.iteration % config.report.report_every == 0:
            spent = seconds + time.monotonic() - started
            losses = engine.meter.read()
            _check_finite(losses, engine.iteration)
            scores = {} if stop else _scores(engine, config, last=last)
            metrics = {**_facts(engine, spent), **losses, **scores}
            best = _better(best, metrics)
            metrics |= best
            extra = {
                "stream": stream.state(),
                "metrics": metrics,
                "best": best,
                "seconds": spent,
                "data": _data_facts(stream),
            }
            session.report(metrics, partial(engine.save, extra=extra) if engine.writes else None)
        if stop:
            raise Interrupted(
                f"stopped at iteration {engine.iteration} of {config.optim.iterations}, saved; the same command goes on"
            )
    return metrics


def _resume(engine: Engine, stream: SegStream, session: Session) -> dict[str, Any]:
    folder = session.resume_from()
    if folder is None:
        return {"metrics": {}, "best": {}, "seconds": 0.0}
    extra = engine.load(folder)
    if extra["data"]["content_hash"] != stream.manifest.content_hash:
        raise ConfigError(
            f"{folder} was trained on another data set (content hash {extra['data']['content_hash'][:12]}…); use a new --name"
        )
    stream.load_state(extra["stream"])
    return extra


def _data_facts(stream: SegStream) -> dict[str, object]:
    manifest = stream.manifest
    return {
        "content_hash": manifest.content_hash,
        "classes": list(manifest.classes),
        "palette": [list(c) for c in manifest.palette],
    }


def _facts(engine: Engine, seconds: float) -> Metrics:
    facts: Metrics = {
        "iteration": engine.iteration,
        "seconds": round(seconds, 2),
        "lr": next(iter(engine.optimisers.values())).param_groups[0]["lr"],
        "config_hash": built_hash(engine),
        "plan_hash": engine.plan.hash(),
    }
    if wrong := differences(engine):
        facts["not_applied"] = ", ".join(f"{name} is {value:g} in the run" for name, value in wrong.items())
    fill = [count for counts in engine.banks.fill().values() for count in counts]
    if fill:
        facts |= {
            "bank/min_fill": min(fill),
            "bank/mean_fill": sum(fill) / len(fill),
            "bank/opened_at": engine.banks.opened_at,
        }
    return facts


def _check_finite(losses: Mapping[str, float], iteration: int) -> None:
    """The losses are means since the last report, so one step that was not finite shows in them. Equal on all workers."""
    wrong = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
    if wrong:
        raise Diverged(f"diverged before iteration {iteration}: {', '.join(wrong)}; a lower learning rate may help")


def _scores(engine: Engine, config: RunConfig, *, last: bool) -> Metrics:
    """mIoU in per cent of every network; `miou` is the best single student, the paper's headline."""
    from ctt_ray.train.setup import score

    limit = None if last else config.report.eval_limit
    found = score(engine, config, limit=limit)
    students = [found[name] for name in engine.plan.students]
    teachers = [found[name] for name in engine.plan.teachers]
    scores: Metrics = {f"miou/{name}": value for name, value in found.items()}
    scores |= {"miou": max(students), "miou/student_mean": sum(students) / len(students)}
    if teachers:
        scores["miou/teacher_mean"] = sum(teachers) / len(teachers)
    return scores


def _better(best: Metrics, metrics: Metrics) -> Metrics:
    """The best report so far, kept apart from the last value."""
    if "miou" not in metrics or float(metrics["miou"]) <= float(best.get("best/miou", -1.0)):
        return best
    return {"best/miou": metrics["miou"], "best/iteration": metrics["iteration"]}


def warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr, flush=True)
