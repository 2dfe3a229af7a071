"""Why a trial failed, and who is to blame: its own doing, the machine that was taken away, or a process that died.

Pure functions of names and texts: what Ray and torch raise is recognised by its name, so neither is needed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from ctt_ray.tune.folder import Kind, Record

Death = Literal["preempted", "memory", "refused", "died"]
RESTARTS = 3  # of a trial whose process died on a living node; it goes on from its checkpoint
JUDGED_FROM = 4  # finished trials, before a campaign may be called hopeless
COMMONEST = 3

DIVERGED = ("Diverged", "FloatingPointError")
MEMORY = ("OutOfMemoryError", "MemoryError")
MEMORY_TEXTS = ("out of memory", "can't allocate memory", "cannot allocate memory")
PREEMPTED_TEXTS = (
    "node has died",
    "was preempted",
    "nodediederror",
)  # not its hint "killed by OOM killer, ray stop, ..."
REFUSED_TEXT = "refused: trial"  # claim.py
MONITOR_TEXTS = ("memory usage threshold", "running low on memory", "outofmemoryerror")


class Hopeless(Exception):
    """Too many trials fail for the campaign to be worth its hours."""


def kind(error: str) -> Kind:
    """Of the last line of a traceback, 'TypeName: message'. Nothing for no error."""
    if not error:
        return ""
    name, _, message = error.partition(":")
    name = name.rpartition(".")[2].strip()
    if name in DIVERGED:
        return "diverged"
    if name in MEMORY or (name == "RuntimeError" and any(text in message.lower() for text in MEMORY_TEXTS)):
        return "memory"
    return "not applied" if name == "NotApplied" else "error"


def death(text: str) -> Death:
    """What Ray's words about a dead process mean. Of a traceback the last line counts: its code names anything."""
    if "Traceback (most recent call last)" in text:
        text = text.strip().splitlines()[-1]
    text = text.lower()
    if any(phrase in text for phrase in PREEMPTED_TEXTS):
        return "preempted"
    if REFUSED_TEXT in text:
        return "refused"
    return "memory" if any(phrase in text for phrase in MONITOR_TEXTS) else "died"


def unclear(text: str) -> bool:
    """Whether Ray lost touch with a process and does not know yet what became of it."""
    return "is unavailable" in text


def blamed(failures: Mapping[int, BaseException]) -> BaseException | None:
    """Of the workers' exceptions by rank, the one that the others follow from: none where there is none.

    A process that died explains its peers' broken connections; running out of memory or diverging explains other errors.
    """
    by_rank = [failures[rank] for rank in sorted(failures)]
    dead = [error for error in by_rank if is_death(error)]
    telling = [error for error in by_rank if kind(named(error)) not in ("", "error")]
    lost = ("connection", "gloo", "nccl", "socket")  # a peer is gone
    own = [error for error in by_rank if not any(word in str(error).lower() for word in lost)]
    return next(iter([*telling, *dead, *own, *by_rank]), None)


def is_death(error: BaseException) -> bool:
    """Whether it tells of a process's end rather than of something that the process raised."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & {"RayActorError", "WorkerHealthCheckFailedError", "WorkerHealthCheckTimeoutError",
                         "NodeDiedError", "WorkerCrashedError", "PreemptionError", "ControllerError",
                         "WorkerGroupStartupTimeoutError"})  # fmt: skip


def named(error: BaseException) -> str:
    """'TypeName: first line of the message'."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def hopeless(records: Sequence[Record], most: float) -> str:
    """Why a campaign is not worth going on with, or nothing. most: share of failed trials among the finished ones."""
    outcomes = [record.outcome for record in records if record.outcome is not None]
    reasons = [outcome.reason for outcome in outcomes if outcome.state == "failed"]
    if len(outcomes) < JUDGED_FROM or len(reasons) <= most * len(outcomes):
        return ""
    said = "; ".join(f"{count} x {reason}" for reason, count in Counter(reasons).most_common(COMMONEST))
    return (
        f"{len(reasons)} of {len(outcomes)} finished trials failed, more than --max-failed-share {most:g} allows. "
        f"Commonest: {said}"
    )
