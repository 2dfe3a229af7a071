"""Where the hours went: a pure function of the trials' attempts. Decides nothing; the budget counts the same files."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from ctt_ray.tune import attempts as attempts_of
from ctt_ray.tune.attempts import Attempt
from ctt_ray.tune.folder import Folder, write_text


@dataclass(frozen=True)
class Entry:
    """A trial's account. hours: wall · cpu_hours, gpu_hours: times what its workers took · lost_*: wall hours after the
    last checkpoint of attempts that were preempted, or whose process died · failed_hours: of attempts that failed."""

    trial: str
    attempts: int = 0
    hours: float = 0.0
    cpu_hours: float = 0.0
    gpu_hours: float = 0.0
    preemptions: int = 0
    deaths: int = 0
    lost_to_preemption: float = 0.0
    lost_to_failure: float = 0.0
    failed_hours: float = 0.0


def entry(trial: str, attempts: Sequence[Attempt], now: float) -> Entry:
    preempted = [attempt for attempt in attempts if attempt.how == "preempted"]
    died = [attempt for attempt in attempts if attempt.how == "died"]
    return Entry(
        trial=trial,
        attempts=len(attempts),
        hours=sum(attempt.hours(now) for attempt in attempts),
        cpu_hours=sum(attempt.device_hours("cpuh", now) for attempt in attempts),
        gpu_hours=sum(attempt.device_hours("gpuh", now) for attempt in attempts),
        preemptions=len(preempted),
        deaths=len(died),
        lost_to_preemption=sum(attempt.lost_hours() for attempt in preempted),
        lost_to_failure=sum(attempt.lost_hours() for attempt in died),
        failed_hours=sum(attempt.hours(now) for attempt in attempts if attempt.how == "failed"),
    )


def ledger(attempts: Mapping[str, Sequence[Attempt]], now: float) -> list[Entry]:
    """One entry a trial, in the order given."""
    return [entry(trial, tries, now) for trial, tries in attempts.items()]


def total(entries: Sequence[Entry]) -> Entry:
    """The sum of all, as the entry of a trial named 'all'; zeros for none."""
    names = [field.name for field in fields(Entry) if field.name != "trial"]
    return Entry("all", **{name: sum(getattr(each, name) for each in entries) for name in names})


def of(folder: Folder, now: float | None = None) -> list[Entry]:
    """The ledger of a campaign's folder, running trials counted up to now."""
    found = sorted(path.parent.name for path in folder.trials.glob(f"*/{attempts_of.ATTEMPTS}"))
    return ledger({id: attempts_of.read(folder.trial(id)) for id in found}, time.time() if now is None else now)


def line(entries: Sequence[Entry]) -> str:
    """The ledger in one line, for people."""
    every = total(entries)
    used = f"{every.hours:.2f} trial-hours = {every.cpu_hours:.2f} cpuh" + (
        f" + {every.gpu_hours:.2f} gpuh" if every.gpu_hours else ""
    )
    said = f"{used} in {every.attempts} attempts at {len(entries)} trials"
    notes = [
        f"lost {every.lost_to_preemption:.2f} h to {every.preemptions} preemptions" if every.preemptions else "",
        f"lost {every.lost_to_failure:.2f} h to {every.deaths} dead processes" if every.deaths else "",
        f"{every.failed_hours:.2f} h in failed trials" if every.failed_hours else "",
    ]
    return "; ".join([said, *filter(None, notes)])


def as_csv(entries: Sequence[Entry]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, [field.name for field in fields(Entry)], lineterminator="\n")
    table.writeheader()
    for each in [*entries, total(entries)]:
        table.writerow({name: round(v, 6) if isinstance(v, float) else v for name, v in asdict(each).items()})
    return text.getvalue()


def write(folder: Folder) -> None:
    """CAMPAIGN/ledger.csv: hours by trial, and their sum in the last row."""
    write_text(folder.root / "ledger.csv", as_csv(of(folder)))
