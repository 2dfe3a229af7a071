"""Names of images to score, and which rows they mean: a split, or one of the equal parts that it falls into.

    val              every row of the split that has a mask
    val:0/2          the first of two parts of them
    labelled:0/4     the first of four parts of a run's labelled images, which training then leaves out

The parts are a function of the ids alone: the same on every machine, disjoint, together the whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from data_prep.files import hash_order
from data_prep.schema import DataError

LABELLED = "labelled"
_NAME = re.compile(r"(?P<split>[^:]+):(?P<part>\d+)/(?P<parts>\d+)")
_ORDER = 0  # seed of the order that is cut; another one would make every recorded part another one


@dataclass(frozen=True)
class Part:
    """Part `part` of `parts` of a split; all of it by default."""

    split: str
    part: int = 0
    parts: int = 1

    def __str__(self) -> str:
        return self.split if self.parts == 1 else f"{self.split}:{self.part}/{self.parts}"

    @property
    def of_labelled(self) -> bool:
        return self.split == LABELLED

    def places(self, ids: Sequence[str]) -> list[int]:
        """Which of these ids belong to the part, ascending. Sizes differ by one at most. Raises DataError for none."""
        order = sorted(range(len(ids)), key=lambda place: hash_order(_ORDER, ids[place]))
        found = sorted(order[self.part :: self.parts])
        if not found:
            raise DataError(f"'{self}' is empty: there are {len(ids)} images for {self.parts} parts. Use fewer parts.")
        return found


def parse(name: str) -> Part:
    """'val', 'val:0/2' or 'labelled:0/4' → Part. Raises DataError for a name that is none of these."""
    if name == LABELLED:
        raise DataError(f"'{name}' needs a part: with {LABELLED}:0/4 a quarter is scored and the rest trained on.")
    if ":" not in name:
        return Part(name)
    match = _NAME.fullmatch(name)
    if match is None:
        raise DataError(f"'{name}' names no part of a split: write SPLIT:K/N, for example val:0/2 or {LABELLED}:0/4.")
    found = Part(match["split"], int(match["part"]), int(match["parts"]))
    if found.part >= found.parts:
        raise DataError(f"'{name}': parts are counted from 0, so {found.parts} parts are 0 to {found.parts - 1}.")
    if found.of_labelled and found.parts == 1:
        raise DataError(f"'{name}' holds out every labelled image and leaves none to train on. Use {LABELLED}:0/4.")
    return found
