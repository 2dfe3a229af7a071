"""Choose images, or whole groups of them: first what covers the classes, then in seeded order, or by balance.

The result is a prefix of one sequence where units are single images: 1/16 lies inside 1/8 of the same seed and rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from data_prep.files import hash_order
from data_prep.labelled.balance import WINDOW, Balance
from data_prep.labelled.pool import Pixels, Present


@dataclass(frozen=True, eq=False)
class Unit:
    """What is chosen as a whole: an image, or a group of images."""

    name: str  # its place in the seeded order
    ids: tuple[str, ...]
    classes: frozenset[int]
    pixels: Pixels | None  # (K,), for balance only

    @cached_property
    def size(self) -> int:
        return len(self.ids)


def units_of(
    present: Present, groups: Mapping[str, str] | None = None, pixels: Mapping[str, Pixels] | None = None
) -> list[Unit]:
    """A unit an image, or, with groups (id → group), a unit a group. Images without a mask are in none."""
    members: dict[str, list[str]] = {}
    for name in sorted(present):
        members.setdefault(name if groups is None else groups[name], []).append(name)
    return [
        Unit(
            name=group,
            ids=tuple(ids),
            classes=frozenset(index for name in ids for index in present[name]),
            pixels=None if pixels is None else np.sum([pixels[name] for name in ids], axis=0),
        )
        for group, ids in members.items()
    ]


def choose(
    units: Sequence[Unit], count: int, seed: int, *, start: Collection[str] = (), balance: Balance | None = None
) -> list[str]:
    """Up to `count` ids, sorted, among them those of `start`: exactly `count` where every unit is one image.

    First the classes are covered, those that fewest units hold first: of the units that hold it, the one that brings
    most of the missing classes is taken, the earlier in seeded order among equals. Then the order is followed; with
    `balance` (units need pixels) the best of its next WINDOW units is taken. A unit that no longer fits is passed over;
    where all are larger than `count`, the smallest is taken alone."""
    draw = _Draw(units, count, seed)
    if count < min(unit.size for unit in units):
        return sorted(min(draw.left, key=lambda unit: unit.size).ids)
    started = set(start)
    for unit in [unit for unit in draw.left if started.issuperset(unit.ids)]:
        draw.take(unit)
    _cover(draw)
    _fill(draw, balance)
    return sorted(name for unit in draw.chosen for name in unit.ids)


class _Draw:
    """What is chosen, what is left in seeded order, and how many images still fit."""

    def __init__(self, units: Sequence[Unit], count: int, seed: int) -> None:
        self.left = sorted(units, key=lambda unit: hash_order(seed, unit.name))
        self.chosen: list[Unit] = []
        self.room = count

    def take(self, unit: Unit) -> None:
        self.left.remove(unit)
        self.chosen.append(unit)
        self.room -= unit.size

    def fitting(self) -> Iterator[Unit]:
        return (unit for unit in self.left if unit.size <= self.room)


def _cover(draw: _Draw) -> None:
    frequency = Counter(index for unit in (*draw.chosen, *draw.left) for index in unit.classes)
    missing = frequency.keys() - {index for unit in draw.chosen for index in unit.classes}
    while missing and draw.room:
        rarest = min(missing, key=lambda index: (frequency[index], index))
        holders = [unit for unit in draw.fitting() if rarest in unit.classes]
        if holders:
            best = max(holders, key=lambda unit: len(missing & unit.classes))
            draw.take(best)
            missing -= best.classes
        missing.discard(rarest)


def _fill(draw: _Draw, balance: Balance | None) -> None:
    if balance is None:
        for unit in list(draw.left):
            if unit.size <= draw.room:
                draw.take(unit)
        return
    total = np.zeros_like(balance.target, np.int64) + sum(_pixels(unit) for unit in draw.chosen)
    while candidates := list(islice(draw.fitting(), WINDOW)):
        best = candidates[balance.nearest(total, [_pixels(unit) for unit in candidates])]
        total += _pixels(best)
        draw.take(best)


def _pixels(unit: Unit) -> Pixels:
    if unit.pixels is None:
        raise ValueError(f"'{unit.name}' has no pixel counts, which balance needs: pass pixels to units_of.")
    return unit.pixels
