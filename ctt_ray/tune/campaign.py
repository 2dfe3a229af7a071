"""A campaign: reconcile its folder, rebuild study and rungs from it, let Ray Tune run what is missing."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import optuna
from ray import tune
from ray.tune.stopper import CombinedStopper

from ctt_ray.cli import ClusterError, HaltedError
from ctt_ray.train.session import LOOP, Interrupted, Run
from ctt_ray.train.signals import stop_requested
from ctt_ray.tune import (
    alive,
    attempts,
    budget,
    collapse,
    environment,
    failures,
    ledger,
    past,
    recovery,
    results,
    scheduler,
    stopping,
    storage,
    study,
)
from ctt_ray.tune.alive import Steering
from ctt_ray.tune.attached import Attached
from ctt_ray.tune.board import Board, log
from ctt_ray.tune.capacity import Capacity, Node
from ctt_ray.tune.cluster import cluster
from ctt_ray.tune.folder import Folder, Record
from ctt_ray.tune.progress import Progress
from ctt_ray.tune.searcher import StudySearcher
from ctt_ray.tune.settings import Settings
from ctt_ray.tune.trial import Work
from ctt_ray.tune.waiting import Waiting
from tune_spaces import Space

DRIVER = {"CPU": 0, "node:__internal_head__": 0.001}  # something must be asked for


@dataclass(frozen=True)
class Campaign:
    """What a campaign needs. run: what trains a trial (see trial.Work), the project's own loop unless told otherwise.

    node: this machine, for the cluster that `local` starts · workers: of Ray Train, per trial · banner: shown on top ·
    max_failed_share: of the finished trials, before the campaign is given up · allow_twins: go on where two samples gave
    one curve (twins.py) · study: URL of the database that the study is written to, if not to the folder's journal.
    """

    folder: Folder
    space: Space
    settings: Settings
    room: Capacity
    node: Node
    address: str = "local"
    workers: int = 1
    max_hours: float | None = None
    budget: budget.Budget | None = None
    max_failed_share: float = 1.0
    run: Run | str = LOOP
    banner: str = ""
    allow_twins: bool = False
    study: str = ""


def run_campaign(campaign: Campaign) -> list[Record]:
    """Bring the campaign to its total and return its trials. Called again after any kill, it goes on from the folder.

    Raises Interrupted when it was stopped before the end (signal, max_hours, budget), Hopeless when too many trials
    failed, ClusterError when trials cannot be run, HaltedError when they show that something is wrong.
    The caller holds the folder's lock.
    """
    folder = campaign.folder
    folder.stop.unlink(missing_ok=True)
    storage.check_free(campaign.study or folder.study, folder.root.name, folder.root)
    board = _board(campaign)
    board.reconcile(alive.last_seen(folder.root))
    with _logged(folder.log), Steering(folder, campaign.settings) as steering:
        steering.follow(board)
        environment.record(folder, campaign.room.lines)
        log.info("start: %d of %d trials finished", board.finished, board.total)
        try:
            board.stopping = _exhausted(campaign) or failures.hopeless(board.records, campaign.max_failed_share)
            if board.finished < board.total and not (board.stopping or board.halt):
                board = _run(campaign, steering)
            else:
                _study(campaign, board)  # a kill may have come after the last trial's end and before the study's
        except KeyboardInterrupt:
            board.stopping = "ended at once"
        finally:
            _close(folder)
            records = folder.records()
            results.write(folder, records, campaign.settings)
            ledger.write(folder)
        if board.halt:
            raise HaltedError(board.halt)
        finished = sum(record.outcome is not None for record in records)
        if finished < board.total:
            why = f"stopped, {board.stopping}: {finished} of {board.total} trials finished"
            log.info(why)
            if failures.hopeless(records, campaign.max_failed_share):
                raise failures.Hopeless(f"{why}; a larger --max-failed-share goes on")
            raise Interrupted(f"{why}; the same command goes on")
        log.info("done")
        return records


def _board(campaign: Campaign) -> Board:
    settings = campaign.settings
    return Board(
        campaign.folder, iterations=settings.iterations, total=settings.trials, allow_twins=campaign.allow_twins
    )


def _study(campaign: Campaign, board: Board) -> optuna.Study:
    """The study, written anew from the folder."""
    folder, settings = campaign.folder, campaign.settings
    warm = past.load(folder)
    return study.rebuild(
        campaign.study or folder.study,
        folder.root.name,
        campaign.space,
        board.records,
        settings.points,
        owner=folder.root,
        objectives=settings.objectives,
        past=warm.trials if warm else (),
    )


def _exhausted(campaign: Campaign) -> str:
    if campaign.budget is None:
        return ""
    return budget.exhausted(campaign.budget, budget.used(campaign.folder, campaign.budget.unit))


def _close(folder: Folder) -> None:
    """No process of the campaign is left: attempts without an end were stopped with it."""
    for record in folder.records():
        attempts.settle(folder.trial(record.id), "stopped", now=time.time())


def _run(campaign: Campaign, steering: Steering) -> Board:
    """Rounds of Ray Tune until the total is reached: Ray may drop a trial, the folder does not."""
    deadline = None if campaign.max_hours is None else time.monotonic() + campaign.max_hours * 3600
    joined = cluster(campaign.address, campaign.room, campaign.node, workers=campaign.workers)
    with storage.watched(campaign.study), joined:
        before = -1
        while True:
            board = _round(campaign, deadline, steering)
            board.total = steering.total()
            if board.stopping or board.finished >= board.total:
                return board
            if board.finished == before:
                done = f"{board.finished} of {board.total} trials finished and no other can be"
                raise ClusterError(f"{done}: see {campaign.folder.log} and Ray's logs")
            before = board.finished


def _round(campaign: Campaign, deadline: float | None, steering: Steering) -> Board:
    folder, settings = campaign.folder, campaign.settings
    shutil.rmtree(folder.scratch, ignore_errors=True)
    board = steering.follow(_board(campaign))
    collapsed = collapse.Collapse(board, on=settings.stop_collapsed)
    collapsed.catch_up()
    early = scheduler.make_scheduler(board, settings)
    searcher = StudySearcher(
        board, _study(campaign, board), campaign.space, settings, concurrent=campaign.room.concurrent
    )
    with stop_requested() as signalled, Progress(board, banner=campaign.banner, levels=settings.levels) as progress:
        reasons = _reasons_to_stop(campaign, board, lambda: signalled() or steering.stop_asked, deadline)
        ender = stopping.Ender(board, reasons)
        tuner = tune.Tuner(
            trainable(campaign),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=early,
                num_samples=-1,  # the searcher knows when it is enough
                reuse_actors=campaign.workers == 1,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(folder.scratch),
                stop=CombinedStopper(ender, collapsed),
                callbacks=[
                    ender,
                    Attached(),
                    recovery.Recovery(board, progress.say),
                    Waiting(board, progress.say),
                    progress,
                ],
                failure_config=tune.FailureConfig(max_failures=recovery.FOREVER),
                verbose=0,
            ),
        )
        with folder.log.open("a") as aside, redirect_stdout(aside):  # Ray prints lines that verbose=0 does not silence
            tuner.fit()
    return board


def _reasons_to_stop(
    campaign: Campaign, board: Board, signalled: Callable[[], bool], deadline: float | None
) -> list[stopping.Why]:
    reasons = [
        stopping.signal_came(signalled),
        stopping.hours_over(deadline),
        stopping.halted(board),
        stopping.hopeless(board, campaign.max_failed_share),
    ]
    return reasons + ([budget.Spending(campaign.budget, board)] if campaign.budget else [])


def trainable(campaign: Campaign) -> object:
    """What Ray starts a trial with. The driver of several workers takes no CPU, or drivers could fill the machine that
    their workers wait for; it sits on the head node, which is the last to be reclaimed."""
    work = Work(
        root=campaign.folder.root,
        base=campaign.settings.base,
        run=campaign.run,
        workers=campaign.workers,
        cpus=campaign.room.cpus,
        gpus=campaign.room.gpus,
        content=campaign.settings.content,
    )

    def trial(config: dict[str, str]) -> None:
        work(config)

    if campaign.workers > 1:
        return tune.with_resources(trial, DRIVER)
    return tune.with_resources(trial, {"CPU": work.cpus} | ({"GPU": work.gpus} if work.gpus else {}))


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """The campaign's own events, appended to campaign.log."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
