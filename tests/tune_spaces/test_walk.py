"""What a space looks like from outside: conditions of any depth, computed values, the grid; against spaces by hand."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from tune_spaces import Axis, Fidelity, Space, SpaceError, load, walk
from tune_spaces import space as space_module
from tune_spaces.__main__ import describe


def space(suggest: Any, *points: dict[str, Any]) -> Space:
    return Space("x", "about", {"iterations": 10}, suggest, points, Fidelity(1))


def nested(trial: Any) -> dict[str, Any]:
    if trial.suggest_categorical("method", ["a", "b", "c"]) != "a":
        if trial.suggest_categorical("deep", [1, 2]) == 2:
            trial.suggest_float("z", 0.0, 1.0)
            if trial.suggest_categorical("deeper", ["x", "y"]) == "y":
                trial.suggest_float("bottom", 0.0, 1.0)
    else:
        trial.suggest_int("q", 1, 5)
    trial.suggest_float("always", 0.0, 1.0)
    return {}


def test_parameters_behind_choices_are_found_with_their_condition() -> None:
    assert {axis.name: axis.when for axis in space(nested).axes()} == {
        "method": "",
        "q": "method = a",
        "always": "",
        "deep": "method = b | c",
        "z": "deep = 2",
        "deeper": "deep = 2",
        "bottom": "deeper = y",
    }


def test_a_condition_on_two_choices_and_one_that_is_no_conjunction() -> None:
    def suggest(trial: Any) -> dict[str, Any]:
        a = trial.suggest_categorical("a", [0, 1])
        b = trial.suggest_categorical("b", [0, 1])
        if a == 1 and b == 1:
            trial.suggest_float("both", 0.0, 1.0)
        if a != b:
            trial.suggest_float("either", 0.0, 1.0)
        return {}

    when = {axis.name: axis.when for axis in space(suggest).axes()}
    assert (when["both"], when["either"]) == ("a = 1 and b = 1", "sometimes")


def test_a_range_that_depends_on_a_choice_is_there_once_for_each() -> None:
    def suggest(trial: Any) -> dict[str, Any]:
        high = 1.0 if trial.suggest_categorical("kind", ["a", "b"]) == "a" else 2.0
        return {"lr": trial.suggest_float("lr", 0.5, high)}

    found = [(axis.high, axis.when) for axis in space(suggest).axes() if axis.name == "lr"]
    assert found == [(1.0, "kind = a"), (2.0, "kind = b")]
    shown = describe(space(suggest, {"kind": "b", "lr": 1.5})).splitlines()
    assert [line.split()[-1] for line in shown if line.startswith("lr")] == ["-", "1.5"]


def test_what_is_computed_names_its_sources() -> None:
    def suggest(trial: Any) -> dict[str, Any]:
        tau = trial.suggest_float("tau_hc", 0.1, 1.0, log=True)
        kind = trial.suggest_categorical("kind", ["a", "b"])
        ratio = trial.suggest_float("ratio", 1.0, 5.0)
        return {"tau_hc": tau, "tau_lc": tau * ratio, "n_q": 32 if kind == "a" else 64, "pairs": 2}

    linked = space(suggest, {"tau_hc": 0.1, "kind": "b", "ratio": 5.0})
    assert linked.derived() == [
        walk.Derived("tau_lc", ("tau_hc", "ratio")),
        walk.Derived("n_q", ("kind",)),
        walk.Derived("pairs", ()),
    ]
    text = describe(linked)
    assert "tau_lc  from tau_hc, ratio (point 0: 0.5)" in text and "pairs   always the same (point 0: 2)" in text
    assert load("voc").derived() == [walk.Derived("ema_decay", ("ema_step",))]


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (Axis("a", choices=("x", "y")), ("x", "y")),
        (Axis("a", 0.0, 1.0), (0.0, 0.5, 1.0)),
        (Axis("a", 0.01, 1.0, log=True), (0.01, 0.1, 1.0)),
        (Axis("a", 1, 2, whole=True), (1, 2)),  # there are no three
        (Axis("a", 0.0, 1.1, step=0.4), (0.0, 0.4, 0.8)),  # 1.1 is on no step
    ],
)
def test_levels_of_a_range(axis: Axis, expected: tuple[Any, ...]) -> None:
    assert axis.levels(3) == pytest.approx(expected) if not axis.choices else axis.levels(3) == expected


def test_the_grid_is_the_product_where_nothing_is_conditional() -> None:
    def suggest(trial: Any) -> dict[str, Any]:
        return {
            "a": trial.suggest_float("a", 0.0, 1.0),
            "b": trial.suggest_categorical("b", [1, 2]),
            "c": trial.suggest_int("c", 0, 4),
        }

    found = [tuple(point.values()) for point in space(suggest).grid(3)]
    assert found == list(product((0.0, 0.5, 1.0), (1, 2), (0, 2, 4)))


def test_the_grid_of_a_conditional_space_has_each_branch_once_and_only_its_parameters() -> None:
    points = space(nested).grid(2)
    assert len(points) == 2 * (2 + 2 * (1 + 2 * (1 + 2)))  # always × (q + (b, c) × (deep 1 + z × (x + y × bottom)))
    assert len({tuple(sorted(point.items(), key=str)) for point in points}) == len(points)
    for point in points:
        assert ("q" in point) == (point["method"] == "a")
        assert ("bottom" in point) == (point.get("deeper") == "y")
    assert len(load("methods").grid(3)) == 3 + 3**2 + 3 * 3**3 + 3 * 3**4 + 3**8 * 5


def test_a_grid_too_large_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space_module, "GRID_LIMIT", 20)
    with pytest.raises(SpaceError, match="more than 20 points; use fewer levels"):
        space(nested).grid(9)
