"""What trials are compared by: mIoU, or mIoU and cost; the Pareto front of the two. Pure functions of the records."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ctt_ray.tune.choices import Objective
from ctt_ray.tune.folder import Folder, Record, write_text

if TYPE_CHECKING:
    from ctt_ray.tune.settings import Settings

DIRECTIONS: dict[Objective, str] = {"miou": "maximize", "cost": "minimize"}
PARETO = "pareto.csv"


def cost(record: Record) -> float:
    """Device-seconds of training up to the last report: a property of the run, so what was lost to kills is not in it
    (the ledger has that)."""
    return record.seconds * record.devices


def values(record: Record, objectives: Sequence[Objective]) -> list[float]:
    """What a trial that ended at full length has reached, an entry an objective."""
    assert record.miou is not None
    found = {"miou": record.miou, "cost": cost(record)}
    return [found[objective] for objective in objectives]


def front(records: Sequence[Record]) -> list[Record]:
    """The trials at full length that no other one beats in both, cheapest first; equal ones are all in it."""
    complete = [record for record in records if record.outcome is not None and record.outcome.state == "complete"]
    points = {record.id: values(record, ("miou", "cost")) for record in complete}
    return sorted(
        (record for record in complete if not any(_beats(other, points[record.id]) for other in points.values())),
        key=lambda record: (points[record.id][1], record.id),
    )


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    """At least as good in both, better in one: points are (mIoU, cost)."""
    return one[0] >= other[0] and one[1] <= other[1] and list(one) != list(other)


def columns(record: Record, on_front: Sequence[Record], settings: Settings) -> dict[str, Any]:
    """What a second objective adds to a trial's line; nothing without one."""
    if len(settings.objectives) == 1:
        return {}
    return {"cost": round(cost(record), 3), "pareto": str(record.id in {each.id for each in on_front}).lower()}


def write(folder: Folder, records: Sequence[Record], settings: Settings) -> None:
    """pareto.csv: the front, cheapest first, with its parameters; only where there are two objectives."""
    if len(settings.objectives) == 1:
        return
    found = front(records)
    names = list(dict.fromkeys(name for record in found for name in record.issued.values))
    text = io.StringIO()
    table = csv.DictWriter(text, ["trial", "miou", "cost", *names], lineterminator="\n")
    table.writeheader()
    for record in found:
        miou, spent = values(record, ("miou", "cost"))
        table.writerow({"trial": record.id, "miou": miou, "cost": spent, **record.issued.values})
    write_text(folder.root / PARETO, text.getvalue())
