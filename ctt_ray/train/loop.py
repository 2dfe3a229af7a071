"""The one training loop: used by Ray Train workers, single-worker trials and plain processes alike. Knows no Ray."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctt_ray import methods
from ctt_ray.config import ConfigError, RunConfig
from ctt_ray.placement import layout
from ctt_ray.plan import Plan
from ctt_ray.train.alarm import alarms, remembered
from ctt_ray.train.asks import Ask
from ctt_ray.train.built import built_hash, differences
from ctt_ray.train.session import Diverged, Interrupted, Metrics, Moved, Session
from ctt_ray.train.steps import Heard, Steps

if TYPE_CHECKING:
    from ctt_ray.engine import Engine
    from ctt_ray.stream import SegStream


def plan_of(config: RunConfig) -> Plan:
    """The plan that a configuration asks for. Raises PlanError for an unknown method or one that cannot work."""
    return methods.build(config.method, config.params.model_dump())


def run(config: RunConfig, session: Session) -> Metrics:
    """Train to the last iteration, reporting on the way; a session with a checkpoint goes on from it.

    Returns the last report. Raises ConfigError or DataError before the first step for what cannot be trained, Diverged at the
    first report with a loss that is not finite, Interrupted (Moved) after saving when the session asks to leave.
    """
    from ctt_ray.engine.agreement import Agreement
    from ctt_ray.train.setup import build  # torch is loaded here, not when the command line is read

    plan = plan_of(config)
    where = layout(plan, session.world, session.placement, own_accelerators=session.own_accelerators)
    stream, engine = build(config, plan, where, rank=session.rank)
    progress = Progress.of(session, engine, stream)
    with closing(Steps(stream, session, Agreement())) as steps:
        while progress.goes_on(config):
            if progress.owes_a_report(config):
                batch, ask = None, _report(engine, config, session, progress, steps)
            else:
                batch, ask = steps.next()
            if ask:
                _check_finite(engine.meter.read(anew=False), engine.iteration)
                session.save(engine.iteration, progress.writer)
            if ask.leaves:
                raise _left(ask, engine, config)
            if batch is not None:
                engine.step(batch)
                progress.stepped()
    return progress.metrics


def _report(engine: Engine, config: RunConfig, session: Session, progress: Progress, steps: Steps) -> Ask:
    """Score and report; or what kept it from that, and the report is made when the run goes on."""
    from ctt_ray.engine.reported import fill, measured

    facts = _facts(engine, progress.seconds) | fill(engine.banks, progress.classes)
    scores = _scores(engine, config, steps.images, progress.content_hash)
    if not steps.cut:
        progress.take(facts | steps.waited() | progress.traffic, measured(engine, progress.classes), scores)
        session.report(progress.metrics, progress.writer)
    return steps.cut


class Progress:
    """What a checkpoint of the loop holds beside the engine: the stream's place, the report, the best one, the time spent."""

    def __init__(self, engine: Engine, stream: SegStream, extra: Mapping[str, Any]) -> None:
        self._engine, self._data = engine, _data_facts(stream)
        self._stream, self._place, self.classes = stream, stream.state(), stream.manifest.classes
        self.metrics, self._best, self._spent = extra["metrics"], extra["best"], extra["seconds"]
        self._before: Metrics = extra.get("before", {})  # the last report, as far as alarms read it
        self._started = time.monotonic()  # for the metrics only: nothing is decided by it

    @classmethod
    def of(cls, session: Session, engine: Engine, stream: SegStream) -> Progress:
        """From the session's checkpoint, which engine and stream go on from too, or from nothing."""
        folder = session.resume_from()
        if folder is None:
            return cls(engine, stream, {"metrics": {}, "best": {}, "seconds": 0.0})
        extra = engine.load(folder)
        if extra["data"]["content_hash"] != stream.manifest.content_hash:
            raise ConfigError(
                f"{folder} was trained on another data set (content hash {extra['data']['content_hash'][:12]}…); use a new --name"
            )
        stream.load_state(extra["stream"])
        return cls(engine, stream, extra)

    @property
    def traffic(self) -> Metrics:
        return dict(self._stream.traffic())

    @property
    def content_hash(self) -> str:
        return str(self._data["content_hash"])

    @property
    def seconds(self) -> float:
        return float(self._spent + time.monotonic() - self._started)

    def goes_on(self, config: RunConfig) -> bool:
        return self._engine.iteration < config.optim.iterations or self.owes_a_report(config)

    def owes_a_report(self, config: RunConfig) -> bool:
        """At every report_every-th iteration and the last; also where a run goes on that had to leave before it was made."""
        at = self._engine.iteration
        due = at == config.optim.iterations or (at > 0 and at % config.report.report_every == 0)
        return due and self.metrics.get("iteration") != at

    def stepped(self) -> None:
        """Note the stream's place now: while the next batch is waited for it may move."""
        self._place = self._stream.state()

    def take(self, facts: Metrics, losses: Mapping[str, float], scores: Metrics) -> None:
        """The next report."""
        _check_finite(losses, self._engine.iteration)
        self.metrics = {**facts, **losses, **scores}
        self._best = _better(self._best, self.metrics)
        self.metrics |= self._best
        self.metrics |= alarms(self._before, self.metrics)
        self._before = remembered(self.metrics)

    @property
    def writer(self) -> Callable[[Path], None] | None:
        """Writes this worker's files of a checkpoint; None where it has none."""
        return self._save if self._engine.writes else None

    def _save(self, folder: Path) -> None:
        """`metrics` are this iteration's own, none between two reports: a checkpoint's score is what its networks scored."""
        own = self.metrics if self.metrics.get("iteration") == self._engine.iteration else {}
        parts = {
            "metrics": own,
            "best": self._best,
            "before": self._before,
            "seconds": self.seconds,
            "data": self._data,
        }
        self._engine.save(folder, {"stream": self._place, **parts})


def _left(ask: Ask, engine: Engine, config: RunConfig) -> Interrupted:
    at = f"stopped at iteration {engine.iteration} of {config.optim.iterations}, saved"
    if ask is Ask.MOVE:
        return Moved(f"the machine is to be taken away: {at}")
    return Interrupted(f"{at}; the same command goes on")


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
    return facts


def _check_finite(losses: Mapping[str, float], iteration: int) -> None:
    """The losses are means since the last report, so one step that was not finite shows in them. Equal on all workers."""
    wrong = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
    if wrong:
        raise Diverged(f"diverged before iteration {iteration}: {', '.join(wrong)}; a lower learning rate may help")


def _scores(engine: Engine, config: RunConfig, heard: Heard[Any], content_hash: str) -> Metrics:
    """mIoU in per cent of every network; `miou` is the best single student, the paper's headline."""
    from ctt_ray.train.setup import score

    limit = None if engine.iteration == config.optim.iterations else config.report.eval_limit
    found = score(engine, config, limit=limit, heard=heard, content_hash=content_hash)
    students = [found[name] for name in engine.plan.learn_from_labels]
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
