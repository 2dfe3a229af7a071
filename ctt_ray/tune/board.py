"""Which trials there are and how far they have come: kept in memory for the searcher, the scheduler and the screen.

Each change goes to the trial's file first; the board is what those files say.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import replace

from ctt_ray.tune import attempts, failures, twins
from ctt_ray.tune.folder import Folder, Issued, Kind, Outcome, Record

log = logging.getLogger("ctt_ray.tune")


class Board:
    def __init__(self, folder: Folder, *, iterations: int, total: int, allow_twins: bool = False) -> None:
        self.folder = folder
        self.iterations = iterations
        self.total = total
        self.stopping = ""  # why the campaign is being stopped; trials that end now have not finished
        self.allow_twins = allow_twins
        self.halt = ""  # why it must not go on at all before somebody has looked
        self.pruned: set[str] = set()  # ids that the scheduler has stopped
        self.live: dict[str, str] = {}  # Ray's trial id → ours
        self._records = {record.id: record for record in folder.records()}

    @property
    def records(self) -> Sequence[Record]:
        return list(self._records.values())

    def record(self, id: str) -> Record:
        return self._records[id]

    @property
    def finished(self) -> int:
        return sum(record.outcome is not None for record in self._records.values())

    @property
    def unissued(self) -> int:
        return self.total - len(self._records)

    def next_id(self) -> str:
        return f"{max((int(id) for id in self._records), default=-1) + 1:04d}"

    def issue(self, issued: Issued) -> None:
        self.folder.issue(issued)
        self._records[issued.id] = Record(issued)

    def refresh(self, id: str) -> Record:
        """Read the trial's files again."""
        self._records[id] = self.folder.record(id)
        return self._records[id]

    def end(self, id: str, *, lost: str = "", kind: Kind = "lost") -> Record:
        """A trial has ended: decide how from its files, write that down. Stopped with the campaign it stays unfinished.

        lost: why its process is gone for good, if it is, and what kind of failure that is.
        """
        record = self.refresh(id)
        if record.outcome is not None:
            return record
        error = lost or self.folder.error(id)
        outcome = judge(record, iterations=self.iterations, error=error, pruned=id in self.pruned)
        if lost:
            outcome = replace(outcome, kind=kind)
        unfinished = outcome.state == "failed" and self.stopping and not error
        attempts.settle(self.folder.trial(id), "stopped" if unfinished else outcome.state, now=time.time())
        if unfinished:
            return record
        self.folder.settle(id, outcome)
        self._records[id] = replace(record, outcome=outcome)
        log.info(
            "trial %s %s at %d: %s", id, outcome.state, outcome.iteration, outcome.reason or f"mIoU {outcome.miou:.2f}"
        )
        return self._records[id]

    def compare(self, record: Record) -> None:
        """Halt the campaign if the ended trial has the same curve as one that was sampled otherwise."""
        if not self.allow_twins and (other := twins.twin_of(record, self.records)):
            self.halt = twins.explain(record, other)

    def reconcile(self, seen: float = 0.0) -> None:
        """Write the outcomes that a kill came before: of trials that had raised. The other unfinished ones go on.

        Attempts that were running then were taken from outside, and ended when the campaign was last `seen` alive."""
        for record in self.records:
            attempts.settle(self.folder.trial(record.id), "preempted", now=seen)
            if record.outcome is None and self.folder.error(record.id):
                self.end(record.id)
        if not self.allow_twins:
            self.halt = twins.twins(self.records)


def judge(record: Record, *, iterations: int, error: str, pruned: bool) -> Outcome:
    """How a trial that runs no more has ended. Its value is the last report's; one that is no number is a failure."""
    at, score = record.iteration, record.miou
    ended = Outcome("complete", at, score, record.seconds)
    if error:
        return replace(ended, state="failed", miou=None, reason=error, kind=failures.kind(error))
    if score is None:
        return replace(ended, state="failed", reason="it ended without a report", kind="error")
    if not math.isfinite(score):
        return replace(ended, state="failed", miou=None, reason=f"mIoU is {score} at iteration {at}", kind="diverged")
    if at >= iterations:
        return ended
    if pruned:
        why = f", collapsed: {record.collapsed}" if record.collapsed else ""
        return replace(ended, state="pruned", reason=f"stopped early at {at} of {iterations}{why}")
    return replace(
        ended, state="failed", miou=None, reason=f"it ended at {at} of {iterations} iterations", kind="error"
    )
