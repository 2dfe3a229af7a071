"""Coverage, order, groups, balance and nesting, against plain loops."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.files import hash_order
from data_prep.labelled.balance import WINDOW, Balance, equal, follow, share_distance
from data_prep.labelled.choosing import choose, units_of

Counts = dict[str, np.ndarray]


def drawn(seed: int, images: int, classes: int) -> Counts:
    """Pixel counts of images whose classes are rarer and rarer; each image holds one at least."""
    rng = np.random.default_rng(seed)
    rate = np.geomspace(0.9, 0.05, classes)
    counts = rng.integers(1, 2000, (images, classes)) * (rng.uniform(size=(images, classes)) < rate)
    counts[:, 0] += counts.sum(1) == 0
    return {f"i{n:03d}": row for n, row in enumerate(counts)}


def present_of(counts: Counts) -> dict[str, tuple[int, ...]]:
    return {name: tuple(np.flatnonzero(row).tolist()) for name, row in counts.items()}


def shares_of(counts: Counts, names: list[str]) -> list[int]:
    return list(np.sum([counts[name] for name in names], axis=0))


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_choice_covers_what_it_can(content_seed: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(content_seed)
    present = {f"i{n:02d}": tuple(np.flatnonzero(rng.uniform(size=6) < 0.25).tolist()) or (0,) for n in range(40)}
    chosen = choose(units_of(present), count, seed)
    assert len(chosen) == len(set(chosen)) == count and chosen == sorted(chosen) and set(chosen) <= set(present)
    assert chosen == choose(
        units_of(dict(reversed(present.items()))), count, seed
    )  # the order of the shards plays no part
    held = {index for name in chosen for index in present[name]}
    every = {index for classes in present.values() for index in classes}
    if count >= len(every):
        assert held == every


def test_the_rarest_class_comes_first() -> None:
    present: dict[str, tuple[int, ...]] = {f"common{n:02d}": (0, 1) for n in range(50)}
    present["rare"] = (2,)
    for seed in range(5):
        assert "rare" in choose(units_of(present), 1, seed)
    present["richer"] = (1, 2)
    for seed in range(5):
        assert choose(units_of(present), 1, seed) == ["richer"]  # brings two missing classes instead of one


def test_the_plain_rule_never_changes() -> None:
    """Results name splits by their seed: these ids come from before groups and balance existed."""
    present = {f"i{n:02d}": tuple(k for k in range(5) if (n * n + 3 * k) % (k + 2) == 0) or (0,) for n in range(40)}
    assert choose(units_of(present), 9, 7) == ["i06", "i10", "i14", "i15", "i17", "i21", "i24", "i29", "i36"]


@given(st.integers(0, 2**32), st.integers(1, 39), st.integers(1, 40), st.booleans())
@settings(max_examples=60, deadline=None)
def test_nested_choices_are_the_plain_ones(content_seed: int, small: int, large: int, balanced: bool) -> None:
    small, large = sorted((small, large))
    counts = drawn(content_seed, 40, 6)
    units = units_of(present_of(counts), pixels=counts)
    balance = follow(shares_of(counts, list(counts))) if balanced else None
    inner = choose(units, small, 3, balance=balance)
    outer = choose(units, large, 3, balance=balance)
    assert set(inner) <= set(outer) and outer == choose(units, large, 3, start=inner, balance=balance)


def slow_balance(counts: Counts, target: list[Fraction], count: int, seed: int) -> list[str]:
    """The rule in exact arithmetic: cover, then the best of the next WINDOW in the order."""
    left = sorted(counts, key=lambda name: hash_order(seed, name))
    holders = [sum(bool(row[k]) for row in counts.values()) for k in range(len(target))]
    chosen: list[str] = []

    def missing() -> list[int]:
        held = {k for name in chosen for k in np.flatnonzero(counts[name]).tolist()}
        return [k for k in range(len(target)) if holders[k] and k not in held]

    def distance(name: str) -> Fraction:
        total = [sum(int(counts[n][k]) for n in (*chosen, name)) for k in range(len(target))]
        whole = sum(total[k] for k in range(len(target)) if target[k])
        return sum(
            ((Fraction(total[k], whole) - target[k]) ** 2 / target[k] for k in range(len(target)) if target[k]),
            Fraction(0),
        )

    while len(chosen) < count:
        if wanted := missing():
            rarest = min(wanted, key=lambda k: (holders[k], k))
            among = [name for name in left if counts[name][rarest]]
            best = max(among, key=lambda name: sum(bool(counts[name][k]) for k in wanted))
        else:
            best = min(left[:WINDOW], key=distance)
        chosen.append(best)
        left.remove(best)
    return sorted(chosen)


@pytest.mark.parametrize("kind", ["pixels", "equal"])
@pytest.mark.parametrize("seed", range(4))
def test_balance_is_the_slow_rule(kind: str, seed: int) -> None:
    counts = drawn(seed, 50, 7)
    counts = {name: np.append(row, 0) for name, row in counts.items()}  # an eighth class that nobody has
    total = shares_of(counts, list(counts))
    held = sum(bool(value) for value in total)
    target = [Fraction(int(v), int(sum(total))) if kind == "pixels" else Fraction(bool(v), held) for v in total]
    balance = follow(total) if kind == "pixels" else equal(total)
    np.testing.assert_allclose(balance.target, [float(share) for share in target], rtol=1e-15)
    units = units_of(present_of(counts), pixels=counts)
    assert choose(units, 14, seed, balance=balance) == slow_balance(counts, target, 14, seed)


def test_balance_is_closer_than_the_draw() -> None:
    """On average several times closer, and never farther."""
    counts = drawn(11, 300, 8)
    total = shares_of(counts, list(counts))
    units = units_of(present_of(counts), pixels=counts)
    far, near = [], []
    for seed in range(20):
        far.append(share_distance(shares_of(counts, choose(units, 30, seed)), total))
        near.append(share_distance(shares_of(counts, choose(units, 30, seed, balance=follow(total))), total))
    assert all(n < f for n, f in zip(near, far, strict=True)) and np.mean(near) < np.mean(far) / 3
    assert (
        len({tuple(choose(units, 30, seed, balance=follow(total))) for seed in range(20)}) == 20
    )  # seeds still differ


def test_the_nearest_by_hand() -> None:
    balance = Balance(np.array([0.5, 0.5, 0.0]))
    total, candidates = np.array([10, 0, 0]), [np.array([10, 10, 0]), np.array([0, 9, 99]), np.array([1, 9, 0])]
    assert balance.nearest(total, candidates) == 1  # 10:9; a class without target does not count
    assert balance.nearest(total, candidates[::2]) == 1
    assert balance.nearest(total, [candidates[0], candidates[0]]) == 0  # the first of equal ones
    assert share_distance([1, 1], [1, 0]) == 0.5 and share_distance([2, 4], [1, 2]) == 0.0


def test_units_without_pixels_cannot_be_balanced() -> None:
    with pytest.raises(ValueError, match="no pixel counts"):
        choose(units_of({"a": (0,), "b": (0,)}), 1, 0, balance=follow([1]))


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 9), st.booleans())
@settings(max_examples=60, deadline=None)
def test_groups_are_taken_whole(content_seed: int, count: int, sizes: int, balanced: bool) -> None:
    counts = drawn(content_seed, 40, 6)
    rng = np.random.default_rng(content_seed)
    groups = {name: f"g{rng.integers(0, sizes)}" for name in counts}
    units = units_of(present_of(counts), groups, counts)
    balance = follow(shares_of(counts, list(counts))) if balanced else None
    chosen = choose(units, count, 0, balance=balance)
    taken = {groups[name] for name in chosen}
    assert set(chosen) == {name for name in counts if groups[name] in taken}
    smallest = min(unit.size for unit in units)
    assert len(chosen) <= count or (len(taken) == 1 and len(chosen) == smallest)
    if len(chosen) <= count:  # nothing more fits
        assert all(unit.size > count - len(chosen) for unit in units if unit.name not in taken)


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_groups_grow_from_what_is_chosen(content_seed: int, count: int, sizes: int) -> None:
    counts = drawn(content_seed, 40, 6)
    rng = np.random.default_rng(content_seed)
    units = units_of(present_of(counts), {name: f"g{rng.integers(0, sizes) * rng.integers(0, 2)}" for name in counts})
    inner = choose(units, count // 2 + 1, 1)
    assert set(inner) <= set(choose(units, max(count, len(inner)), 0, start=inner))


def test_what_a_unit_is() -> None:
    counts = {"a": np.array([1, 2]), "b": np.array([0, 5]), "c": np.array([4, 0])}
    one, two = units_of(present_of(counts), {"a": "x", "b": "y", "c": "x", "bare": "y"}, counts)
    assert (one.name, one.ids, one.classes, one.pixels.tolist()) == ("x", ("a", "c"), {0, 1}, [5, 2])
    assert (two.name, two.ids, two.classes, two.pixels.tolist()) == ("y", ("b",), {1}, [0, 5])
