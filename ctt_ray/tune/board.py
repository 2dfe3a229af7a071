"""Which trials there are and how far they have come: kept in memory for the searcher, the scheduler and the screen.

Each change goes to the trial's file first; the board is what those files say.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace

from ctt_ray.tune.folder import Folder, Issued, Outcome, Record

log = logging.getLogger("ctt_ray.tune")


class Board:
    def __init__(self, folder: Folder, *, iterations: int, total: int) -> None:
        self.folder = folder
        self.iterations = iterations
        self.total = total
        self.stopping = ""  # why the campaign is being stopped; trials that end now have not finished
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

    def end(self, id: str, *, lost: str = "") -> Record:
        """A trial has ended: decide how from its files, write that down. Stopped with the campaign it stays unfinished.

        lost: why its process is gone for good, if it is.
        """
        record = self.refresh(id)
        if record.outcome is not None:
            return record
        outcome = judge(
            record, iterations=self.iterations, error=lost or self.folder.error(id), pruned=id in self.pruned
        )
        if outcome.state == "failed" and self.stopping and not self.folder.error(id):
            return record
        self.folder.settle(id, outcome)
        self._records[id] = replace(record, outcome=outcome)
        log.info(
            "trial %s %s at %d: %s", id, outcome.state, outcome.iteration, outcome.reason or f"mIoU {outcome.miou:.2f}"
        )
        return self._records[id]

    def reconcile(self) -> None:
        """Write the outcomes that a kill came before: of trials that had raised. The other unfinished ones go on."""
        for record in self.records:
            if record.outcome is None and self.folder.error(record.id):
                self.end(record.id)


def judge(record: Record, *, iterations: int, error: str, pruned: bool) -> Outcome:
    """How a trial that runs no more has ended. Its value is the last report's; one that is no number is a failure."""
    at, score = record.iteration, record.miou
    ended = Outcome("complete", at, score, record.seconds)
    if error:
        return replace(ended, state="failed", miou=None, reason=error)
    if score is None:
        return replace(ended, state="failed", reason="it ended without a report")
    if not math.isfinite(score):
        return replace(ended, state="failed", miou=None, reason=f"mIoU is {score} at iteration {at}")
    if at >= iterations:
        return ended
    if pruned:
        return replace(ended, state="pruned", reason=f"stopped early at {at} of {iterations}")
    return replace(ended, state="failed", miou=None, reason=f"it ended at {at} of {iterations} iterations")
