"""A published table on its page: every row with figure and mark, what must not be concluded, nothing for a search."""

from __future__ import annotations

from typing import Any

from ctt_ray.report import recipe


def row(label: str, figure: float | None, marks: list[str]) -> dict[str, Any]:
    spread = {"mean": 50.0, "sd": 1.0}
    minus = {"count": 3, "mean": -1.0, "low": -2.0, "high": 0.5, "verdict": "not separable"}
    return {
        "label": label, "figure": figure, "note": "", "runs": 3, "best": spread, "last": spread, "networks": {"s0": 3},
        "marks": marks, "minus_paper": None if marks else minus, "minus_reference": None,
    }  # fmt: skip


FOUND = {
    "title": "Table 0",
    "source": "A paper",
    "network": "student",
    "rows": [row("one", 60.0, ["iterations 4 of 8"]), row("two", 51.0, []), row("three", None, ["crop 3 for 4"])],
    "notes": ["said once"],
}


def test_rows_figures_marks_and_notes() -> None:
    shown = recipe.shown(FOUND)
    assert [cells[0] for cells in shown["recipe_rows"]] == ["one", "two", "three"]
    assert [cells[4] for cells in shown["recipe_rows"]] == ["60.00", "51.00", "–"]
    assert [cells[5] for cells in shown["recipe_rows"]] == [
        "not at the paper's scale (a)", "-1.00 [-2.00, +0.50] not separable", "not at the paper's scale (b)",
    ]  # fmt: skip
    assert shown["recipe_notes"] == [
        "(a) not at the paper's scale: iterations 4 of 8.", "(b) not at the paper's scale: crop 3 for 4.", "said once",
    ]  # fmt: skip
    assert all(len(cells) == len(shown["recipe_head"]) for cells in shown["recipe_rows"])


def test_what_must_not_be_concluded() -> None:
    said = recipe.limits(FOUND)
    assert any("2 of 3 rows are not at its scale" in line for line in said)
    assert not any("not at its scale" in line for line in recipe.limits({**FOUND, "rows": FOUND["rows"][1:2]}))


def test_a_table_of_ones_own_says_nothing_of_a_paper() -> None:
    own = {**FOUND, "rows": FOUND["rows"][2:]}
    shown = recipe.shown(own)
    assert shown["recipe_head"] == ["row", "best (runs)", "last", "network", "minus reference"]
    assert shown["recipe_rows"] == [["three", "50.00 ± 1.00 (3)", "50.00 ± 1.00", "s0 x 3", "–"]]
    assert shown["recipe_notes"] == ["said once"]
    assert not any("paper" in line for line in recipe.limits(own))


def test_a_search_has_no_table() -> None:
    assert recipe.shown(None)["recipe_rows"] == [] and recipe.shown(None)["recipe_title"] == ""
