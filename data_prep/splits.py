"""Labelled splits: which rows of train carry a label in an experiment. The shards do not change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_prep.console import Say
from data_prep.errors import UsageError
from data_prep.labelled.amounts import in_a_name, parse_amount
from data_prep.labelled.balance import equal, follow
from data_prep.labelled.book import Book, silent
from data_prep.labelled.choosing import Unit, choose, units_of
from data_prep.labelled.coverage import MadeSplit
from data_prep.labelled.groups import group_ids, label_of
from data_prep.labelled.importing import import_ids
from data_prep.labelled.pool import count_pixels

BalanceKind = Literal["none", "pixels", "equal"]
TARGETS = {"pixels": follow, "equal": equal}
ORDERS = {
    "none": "seeded hash",
    "pixels": "train's class shares of the pixels",
    "equal": "equal class shares of the pixels",
}


@dataclass(frozen=True)
class How:
    """How images are chosen beside amount and seed; the plain rule by default."""

    balance: BalanceKind = "none"
    group: str = ""  # data_prep/labelled/groups.py
    inside: str = ""  # name of a split that the labelled images are taken from

    def name(self, labelled: str, seed: int) -> str:
        """'1-8_s0'; what differs from the plain rule is part of the name: '1-8_pixels_camvid-run8_s0_in_1-4_s0'."""
        parts = [in_a_name(labelled), "" if self.balance == "none" else self.balance, label_of(self.group)]
        inside = f"_in_{self.inside}" if self.inside else ""
        return "_".join(part for part in parts if part) + f"_s{seed}{inside}"

    def words(self) -> str:
        text = f"rarest classes first, then by {ORDERS[self.balance]}"
        text += f", whole groups by {self.group}" if self.group else ""
        return text + (f", inside {self.inside}" if self.inside else "")


PLAIN = How()


def make_split(
    data: Path,
    labelled: str,
    *,
    ids: Path | None = None,
    seed: int = 0,
    name: str = "",
    how: How = PLAIN,
    say: Say = silent,
) -> MadeSplit:
    """Choose (or import from `ids`) the labelled images of a prepared data set and write splits/NAME.json.

    labelled: '1/8' or '0.125' of the images with a usable mask, or a count. Raises UsageError, DataError."""
    if ids is None:
        if not labelled:
            raise UsageError("say how many are labelled: --labelled 1/8, --labelled 40, or --ids FILE.")
        return _grow(Book(data, say), [labelled], seed, how, name)[0]
    if how != PLAIN:
        raise UsageError(
            "--ids takes the images of a list: --balance, --group and --inside choose others. Drop one of them."
        )
    book = Book(data, say)
    chosen, notes = import_ids(ids, labelled, book.present, book.rows)
    rule = f"imported from {ids.name}" + (f", first {labelled}" if labelled else "")
    return book.write(name or f"n{len(chosen)}_{ids.stem}", chosen, rule, None, notes)


def make_nested(
    data: Path, amounts: Sequence[str], *, seed: int = 0, how: How = PLAIN, say: Say = silent
) -> list[MadeSplit]:
    """Write a split an amount, each inside the next larger one; the smallest comes first. Raises UsageError, DataError."""
    return _grow(Book(data, say), amounts, seed, how, "")


def _grow(book: Book, amounts: Sequence[str], seed: int, how: How, name: str) -> list[MadeSplit]:
    total = len(book.present)
    sized = sorted((parse_amount(text, total), text) for text in amounts)
    present = book.inside(how.inside)
    groups = group_ids(how.group, book.rows) if how.group else None
    pixels = None if how.balance == "none" else count_pixels(book.data, book.manifest, present, book.say)
    balance = None if how.balance == "none" else TARGETS[how.balance](book.train_pixels)
    units = units_of(present, groups, pixels)
    made: list[MadeSplit] = []
    chosen: list[str] = []
    for count, text in sized:
        if count > len(present):
            raise UsageError(
                f"--labelled {text}: {count} images, but '{how.inside}' has {len(present)}. Ask for fewer."
            )
        grown = bool(groups and chosen)
        chosen = choose(units, count, seed, start=chosen, balance=balance)
        rule = f"{len(chosen)} of {total} images with a mask ({text}), {how.words()}"
        rule += f", grown from {made[-1].split.name}" if grown else ""
        notes = _what_came_out(count, chosen, units) if groups else []
        default = how.name(text, seed) + ("_nested" if grown else "")
        made.append(book.write(name or default, chosen, rule, seed, notes))
    return made


def _what_came_out(count: int, chosen: Sequence[str], units: Sequence[Unit]) -> list[str]:
    taken = sum(unit.ids[0] in set(chosen) for unit in units)
    groups = f"{taken} of {len(units)} whole groups, {len(chosen)} images"
    if len(chosen) == count:
        return [f"{groups}."]
    smallest = min(unit.size for unit in units)
    why = f"the smallest group has {smallest}" if len(chosen) > count else "no other group fits into the rest"
    return [f"{groups}, where {count} were asked for: {why}."]
