"""Two trials with different samples and bit-identical curves: a parameter does not do what the space says it does."""

from __future__ import annotations

from collections.abc import Sequence

from ctt_ray.train.session import SCORE
from ctt_ray.tune.folder import Record

LEAST = 2  # reports: one could be equal by chance where nothing has been learnt yet


def twin_of(record: Record, others: Sequence[Record]) -> Record | None:
    """The first of `others` whose every loss and score equals the record's, bit for bit, though it was sampled otherwise.

    Both have at least two reports, at the same iterations. Seeds and data are the same for all trials of a campaign, so
    any parameter that reaches a loss or an update shows in some digit of some loss.
    """
    curve = _curve(record)
    if len(curve) < LEAST:
        return None
    return next(
        (
            other
            for other in others
            if other.id != record.id
            and other.issued.values != record.issued.values
            and len(other.lines) == len(curve)
            and other.miou == record.miou  # seldom: the rest is compared for few of a thousand trials
            and _curve(other) == curve
        ),
        None,
    )


def twins(records: Sequence[Record]) -> str:
    """`explain` of the first two ended trials that are twins; nothing if there are none."""
    ended = [record for record in records if record.outcome is not None]
    for number, record in enumerate(ended):
        if other := twin_of(record, ended[:number]):
            return explain(record, other)
    return ""


def explain(one: Record, other: Record) -> str:
    """What is the same, what should differ, and what to look at."""
    a, b = one.issued.values, other.issued.values
    differ = ", ".join(
        f"{name} {a.get(name)} and {b.get(name)}" for name in sorted({*a, *b}) if a.get(name) != b.get(name)
    )
    return (
        f"trials {other.id} and {one.id} were sampled differently ({differ}) and have the same curve to the last bit up to "
        f"iteration {one.iteration}: these parameters had no effect. A contrastive loss has none before the memory bank is full "
        "(bank/opened_at), nor has one with weight 0: lengthen the runs, use bank_gate=present_classes, or take the "
        "parameter out of the space; --allow-twins goes on all the same"
    )


def _curve(record: Record) -> list[tuple[int, dict[str, float | int | str]]]:
    """Scores and losses; not times, not hashes."""
    return [
        (int(line["iteration"]), {key: value for key, value in line.items() if key == SCORE or "/" in key})
        for line in record.lines
    ]
