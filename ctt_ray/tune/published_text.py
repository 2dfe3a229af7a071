"""A published table with what a campaign found, as Markdown that a terminal shows as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctt_ray.tune import confirmed
from ctt_ray.tune.statistics import LEVEL
from tune_spaces.text import aligned

NO = "–"
READ = (
    "mIoU in per cent, mean ± standard deviation over seeds (runs): of the best {network} at its best report, beside the last "
    "report's. Differences are of the best, with the {level:.0%} interval of the mean, to the reference paired by seed."
)


HEAD = ("row", "best (runs)", "last", "network", "paper", "minus paper", "minus reference", "in the paper")
OF_A_PAPER = {"paper", "minus paper", "in the paper"}


def markdown(found: Mapping[str, Any]) -> str:
    """The table and what has to be read with it, for a terminal as well."""
    names = head(found)
    table = aligned([names, ["-" * len(each) for each in names], *rows(found)], " | ")
    wide = max(map(len, table))
    lines = [f"{found['title']} ({found['source']})", "", *(f"| {line:<{wide}} |" for line in table), "", how(found)]
    return "\n".join([*lines, *(f"* {note}" for note in notes(found))]) + "\n"


def of_a_paper(found: Mapping[str, Any]) -> bool:
    """Whether there is a published figure to stand beside: a table of one's own has none."""
    return any(row["figure"] is not None for row in found["rows"])


def head(found: Mapping[str, Any]) -> list[str]:
    return [name for name in HEAD if of_a_paper(found) or name not in OF_A_PAPER]


def rows(found: Mapping[str, Any]) -> list[list[str]]:
    """The cells below `head`, a list a row."""
    letters = _letters(found)
    cells = [dict(zip(HEAD, _cells(row, letters), strict=True)) for row in found["rows"]]
    return [[row[name] for name in head(found)] for row in cells]


def how(found: Mapping[str, Any]) -> str:
    """How to read the columns."""
    labels = dict.fromkeys(row["minus_reference"]["label"] for row in found["rows"] if row["minus_reference"])
    reference = f" Reference: {', '.join(labels)}." if labels else ""
    return READ.format(network=found["network"], level=LEVEL) + reference


def notes(found: Mapping[str, Any]) -> list[str]:
    """What the marks stand for, then notes on rows, then on the table."""
    marks = [f"({letter}) not at the paper's scale: {mark}." for mark, letter in _letters(found).items()]
    return [*marks, *(f"{row['label']}: {row['note']}." for row in found["rows"] if row["note"]), *found["notes"]]


def _letters(found: Mapping[str, Any]) -> dict[str, str]:
    """Each different mark of a published table, and the letter that stands for it."""
    if not of_a_paper(found):
        return {}
    marks = dict.fromkeys("; ".join(row["marks"]) for row in found["rows"] if row["marks"])
    return {mark: chr(ord("a") + number) if number < 26 else str(number + 1) for number, mark in enumerate(marks)}


def _cells(row: Mapping[str, Any], letters: Mapping[str, str]) -> list[str]:
    against = row["minus_reference"]
    mark = letters.get("; ".join(row["marks"]))
    networks = ", ".join(name + (f" x {count}" if count > 1 else "") for name, count in row["networks"].items())
    return [
        row["label"],
        f"{_spread(row['best'])} ({row['runs']})",
        _spread(row["last"]),
        networks or NO,
        NO if row["figure"] is None else f"{row['figure']:.2f}",
        f"not at the paper's scale ({mark})" if mark else _said(row["minus_paper"]),
        _said(against),
        NO if against is None or against["paper"] is None else f"{against['paper']:+.2f}",
    ]


def _spread(found: Mapping[str, float | None]) -> str:
    if found["mean"] is None:
        return NO
    return f"{found['mean']:.2f}" + ("" if found["sd"] is None else f" ± {found['sd']:.2f}")


def _said(found: Mapping[str, Any] | None) -> str:
    return confirmed.difference(found).replace("\n", " ") if found and found["count"] else NO
