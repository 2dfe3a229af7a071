"""What Ray runs for one trial: its files tell it what to do, its files tell what it did.

One worker: the training loop in this very process, which Ray reuses for the next trial. More: this process only waits
for Ray Train's workers, which report through it.
"""

from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.exceptions import RayError

from ctt_ray.cli import ClusterError
from ctt_ray.config import RunConfig
from ctt_ray.train.asks import MAX_LOST_MINUTES, Ask
from ctt_ray.train.background import repeated
from ctt_ray.train.session import SCORE, Interrupted, LocalSession, Metrics, Moved, Run, read_results, resolve
from ctt_ray.tune import failures, nodes
from ctt_ray.tune.attempts import Recorder
from ctt_ray.tune.claim import claim
from ctt_ray.tune.folder import ERROR, Folder, Issued, write_text
from ctt_ray.tune.settings import applied
from data_prep.schema import DataError, load_manifest

LOOK_EVERY_S = 1.0  # for the stop file
FOLLOW_EVERY_S = 2.0  # what Ray Train's workers save
MOMENT_S = 2.0  # a worker's end may be heard of just before its node's


class NotApplied(Exception):
    """What was trained is not what was sampled."""


class WorkersDied(RayError):
    """A process of Ray Train's workers, or its node, is gone: not the trial's doing."""


class NodeTaken(RayError):
    """The trial's node is to be taken away; it has saved and Ray starts it again elsewhere."""

    def __str__(self) -> str:
        return f"its node was preempted: {super().__str__()}"


@dataclass(frozen=True)
class Work:
    """What every trial of a campaign shares; it travels to the trial's process.

    run: trains one configuration under a session, as ctt_ray.train.loop.run does; a function, or "module:function" for
    one that is imported where the trial runs. content: of the data set that the campaign began with, "" for any.
    """

    root: Path
    base: RunConfig
    run: Run | str
    workers: int
    cpus: float
    gpus: float
    content: str = ""

    def __call__(self, config: dict[str, Any]) -> None:
        one_trial(self, config["trial"])


def one_trial(work: Work, id: str) -> None:
    """Train trial `id`, from its checkpoint if it has one. An exception becomes error.txt: it fails, Ray goes on."""
    folder = Folder(work.root)
    with claim(folder.trial(id)):
        if folder.ended(id):  # the campaign has given it up while it waited for a place
            return
        (folder.trial(id) / ERROR).unlink(missing_ok=True)
        recorder = Recorder(
            folder.trial(id), cpus=work.workers * work.cpus, gpus=work.workers * work.gpus, node=nodes.here()
        )
        try:
            issued = folder.issued(id)
            run = _in_process if work.workers == 1 else _with_workers
            config = applied(work.base, issued.values)
            check_content(config.data, work.content)
            run(work, folder, issued, config, recorder)
        except Moved as error:
            raise NodeTaken(str(error)) from None
        except Interrupted:
            recorder.end("stopped")
        except SystemExit:  # Ray ends this thread so
            recorder.end("stopped" if folder.stop.exists() else "pruned")
            raise
        except RayError:
            raise  # a worker's or a node's end, not the trial's doing: Ray starts it again (recovery.py)
        except Exception as error:
            write_text(folder.trial(id) / ERROR, f"{traceback.format_exc()}{failures.named(error)}\n")
            recorder.end("failed")
        else:
            recorder.end("complete")


def check_content(data: str, content: str) -> None:
    """Raises DataError where the data set is another one than the campaign began with."""
    if content and (found := load_manifest(data).content_hash) != content:
        raise DataError(
            f"{data} was changed under the campaign: it began with content {content[:12]}…, now there is {found[:12]}…. "
            "Put the data set back, or start a campaign of another --name."
        )


def check_applied(issued: Issued, metrics: Metrics) -> None:
    """Raises NotApplied unless the run reports the hash of the sampled configuration."""
    built = metrics.get("config_hash")
    if built != issued.config_hash:
        raise NotApplied(
            f"{metrics.get('not_applied') or 'the run has another configuration'}: it built {built}, sampled was "
            f"{issued.config_hash}; its result is worth nothing"
        )


def _in_process(work: Work, folder: Folder, issued: Issued, config: RunConfig, recorder: Recorder) -> None:
    def on_report(metrics: Metrics) -> None:
        check_applied(issued, metrics)
        recorder.report(int(metrics["iteration"]))
        if SCORE in metrics:
            tune.report(dict(metrics))  # ends this thread here if the scheduler stops the trial

    stopping, leaving = Every(folder.stop.exists, LOOK_EVERY_S), Every(nodes.leaving, nodes.NOTICE_EVERY_S)
    session = TrialSession(
        folder.trial(issued.id),
        keep=config.report.keep,
        on_report=on_report,
        on_save=recorder.report,
        asked=lambda: Ask.STOP if stopping() else Ask.MOVE if leaving() else Ask.NOTHING,
        save_every_s=60 * MAX_LOST_MINUTES,
    )
    gc.freeze()  # what the process has imported is not looked through again at the end of every trial: 0.1 s and more
    try:
        resolve(work.run)(config, session)
    finally:
        gc.collect()  # the next trial of this process finds the memory free


def _with_workers(work: Work, folder: Folder, issued: Issued, config: RunConfig, recorder: Recorder) -> None:
    """One attempt of a trial of several workers. Raises what one of them raised, or WorkersDied."""
    from ray.tune.integration.ray_train import TuneReportCallback

    from ctt_ray.train.launch import launch

    before = nodes.alive()
    with repeated(recorder.look, every_s=FOLLOW_EVERY_S):
        try:
            metrics = launch(
                config,
                storage=str(folder.trials),
                name=issued.id,
                workers=work.workers,
                gpus_per_worker=work.gpus,
                cpus_per_worker=work.cpus,
                callbacks=[TuneReportCallback()],
                restarts=False,
                stop_file=folder.stop,
                run=work.run,
            )
        except ClusterError as error:
            raise worker_failure(error, lambda patience: nodes.lost(before, patience)) from error
    check_applied(issued, metrics)


def worker_failure(error: ClusterError, node_lost: Callable[[float], bool]) -> BaseException:
    """What to raise for workers that failed: their own exception, or WorkersDied for a process or node that is gone."""
    raised = error.__cause__ or error
    found = failures.blamed(getattr(raised, "worker_failures", {})) or raised
    if not failures.is_death(found):
        return found
    what = {"preempted": "its node has died", "memory": "memory usage threshold reached", "died": "its process died"}
    cause = failures.death(str(found))
    if cause == "died" and node_lost(nodes.PATIENCE_S if failures.unclear(str(found)) else MOMENT_S):
        cause = "preempted"
    return WorkersDied(f"a worker is gone, {what[cause]}: {failures.named(found)}")


class TrialSession(LocalSession):
    """Repeats the last report that a resumed trial has behind it: a kill may have come between its checkpoint and the
    campaign's hearing of it, and early stopping is to decide there, not a rung later. Who has heard it hears no more."""

    def resume_from(self) -> Path | None:
        found = super().resume_from()
        for metrics in read_results(self.folder)[-1:]:
            if self.on_report is not None:
                self.on_report(metrics)
        return found


class Every:
    """True once `look` has said so; looks at most so often, for it asks a network file system or the cluster."""

    def __init__(self, look: Callable[[], bool], every_s: float) -> None:
        self._look, self._every_s = look, every_s
        self._next = 0.0
        self._found = False

    def __call__(self) -> bool:
        now = time.monotonic()
        if not self._found and now >= self._next:
            self._next = now + self._every_s
            self._found = self._look()
        return self._found
