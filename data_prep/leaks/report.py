"""What the search for leaks found, as records and as lines to print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from data_prep.leaks.likeness import FAR

PAIRS_SHOWN = 12  # of two splits, in the printed report


@dataclass(frozen=True)
class Pair:
    """Two images of two splits, and the bits in which their hashes differ."""

    bits: int
    first: str
    second: str
    same_bytes: bool
    places: tuple[int, int]  # rows in their splits


@dataclass(frozen=True)
class Between:
    """What two splits share."""

    first: str
    second: str
    exact: int  # pairs of equal bytes
    near: int  # pairs at up to `NEAR` bits or what was asked for, the exact ones included
    first_images: int  # images of the first that have a near one in the second
    second_images: int
    histogram: tuple[int, ...]  # pairs at 0 ... FAR bits
    nearest: tuple[Pair, ...]
    groups: dict[str, tuple[int, int]]  # shared group → images in the first, in the second


@dataclass(frozen=True)
class LabelledLeak:
    """What the labelled images of one split file share with an evaluation split."""

    name: str
    split: str
    images: int  # of the evaluation split that have a near one among the labelled
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Leaks:
    """What `leaks` found. It holds for the data set of this content hash."""

    data_hash: str
    near_bits: int
    group: str
    between: tuple[Between, ...]
    labelled: tuple[LabelledLeak, ...]

    @property
    def exact(self) -> int:
        return sum(entry.exact for entry in self.between)

    @property
    def near(self) -> int:
        return sum(entry.near for entry in self.between)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        lines = [line for entry in self.between for line in _lines(entry, self.near_bits, self.group)]
        lines += [
            f"labelled {leak.name} and {leak.split}: {leak.images} images of {leak.split} have a near one"
            + (f"; both hold {', '.join(leak.groups)}" if leak.groups else "")
            for leak in self.labelled
        ]
        return lines or ["one split only: nothing can leak."]


def _lines(entry: Between, near: int, group: str) -> list[str]:
    names = f"{entry.first} and {entry.second}"
    lines = [
        f"{names}: {entry.exact} exact duplicates, {entry.near} pairs within {near} of 64 bits "
        f"({entry.second_images} images of {entry.second}, {entry.first_images} of {entry.first})",
        f"{names}: pairs at 0, 1, ... {FAR} bits: {' '.join(map(str, entry.histogram))}",
    ]
    close = [pair for pair in entry.nearest if pair.bits <= near]
    lines += [
        f"  {pair.bits:2d} bits  {pair.first}  {pair.second}{'  same bytes' * pair.same_bytes}"
        for pair in close[:PAIRS_SHOWN]
    ]
    if entry.near > PAIRS_SHOWN:
        lines.append(f"  ... and {entry.near - PAIRS_SHOWN} more (--json)")
    lines += [
        f"  {group} group {name}: {a} images in {entry.first}, {b} in {entry.second}"
        for name, (a, b) in entry.groups.items()
    ]
    return lines


def nearest_of(leaks: Leaks, count: int) -> Sequence[tuple[str, str, Pair]]:
    """The most similar pairs over all splits: (first split, second split, pair), at most `count`."""
    every = [(entry.first, entry.second, pair) for entry in leaks.between for pair in entry.nearest]
    return sorted(every, key=lambda item: item[2].bits)[:count]
