"""The numbers of a confirmation, from records written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ctt_ray.tune import confirmed
from ctt_ray.tune.candidates import Candidate
from ctt_ray.tune.folder import Issued, Outcome, Record

KNOWN = [
    Candidate("defaults", {"lr": 1.0}, "0000", 40.0),
    Candidate("supervised", {"lr": 1.0, "method": "supervised"}),
    Candidate("0007", {"lr": 2.0}, "0007", 48.0, 1),
    Candidate("0003", {"lr": 3.0}, "0003", 47.0, 2),
]
SCORES = {
    "defaults": {5: 40.0, 6: 42.0, 7: 44.0},
    "supervised": {5: 30.0, 6: 31.9, 7: 34.1},
    "0007": {5: 41.0, 6: 43.1, 7: 44.9},
    "0003": {5: 45.0, 6: 41.0},
}


def record(number: int, name: str, seed: int, score: float | None) -> Record:
    issued = Issued(f"{number:04d}", {"candidate": name, "seed": seed}, {}, "")
    if score is None:
        return Record(issued, [], Outcome("failed", 0, reason="boom"))
    lines: list[Any] = [
        {"iteration": 10, "miou": 99.0},
        {"iteration": 20, "miou": score, "miou/student_mean": score - 1},
    ]
    return Record(issued, lines, Outcome("complete", 20, score))


@pytest.fixture
def records() -> list[Record]:
    runs = [(name, seed, score) for name, found in SCORES.items() for seed, score in found.items()]
    return [record(n, *run) for n, run in enumerate([*runs, ("0003", 7, None)])]


def found(records: list[Record]) -> dict[str, Any]:
    return {each["name"]: each for each in confirmed.summary(KNOWN, records, 20)["candidates"]}


def test_means_and_intervals(records: list[Record]) -> None:
    """40, 42, 44: s = 2, half width 4.30265 · 2 / √3 = 4.96827."""
    own = found(records)["defaults"]
    assert (own["count"], own["mean"], own["search_miou"]) == (3, 42.0, 40.0)
    assert (own["low"], own["high"]) == (pytest.approx(37.03173, abs=1e-4), pytest.approx(46.96827, abs=1e-4))


def test_differences_are_paired_by_seed(records: list[Record]) -> None:
    """Against the baseline 10, 10.1, 9.9: s = 0.1, half width 0.2484, though the means' own intervals are ±5."""
    minus = found(records)["defaults"]["minus"]
    assert set(minus) == {"supervised"}
    assert minus["supervised"]["mean"] == pytest.approx(10.0)
    assert minus["supervised"]["low"] == pytest.approx(10 - 0.24841, abs=1e-4)
    assert minus["supervised"]["verdict"] == "better"
    against = found(records)["0007"]["minus"]
    assert against["defaults"]["mean"] == pytest.approx(1.0)  # 1, 1.1, 0.9
    assert against["defaults"]["verdict"] == "better"
    assert found(records)["supervised"]["minus"]["defaults"]["verdict"] == "worse"


def test_a_failed_run_leaves_two_pairs_and_no_interval(records: list[Record]) -> None:
    own = found(records)["0003"]
    assert (own["count"], own["mean"], own["low"]) == (2, 43.0, None)
    assert own["minus"]["defaults"]["mean"] == pytest.approx(2.0)
    assert own["minus"]["defaults"]["verdict"] == "too few runs"
    said = confirmed.summary(KNOWN, records, 20)["notes"]
    assert any("0003 with seed 7) failed and is left out: boom" in note for note in said)


def test_an_interval_around_0_is_not_separable(records: list[Record]) -> None:
    with_third = [*records[:-1], record(11, "0003", 7, 44.0)]  # +5, -1, 0
    assert found(with_third)["0003"]["minus"]["defaults"]["verdict"] == "not separable"


def test_what_stands_beside_the_numbers(records: list[Record]) -> None:
    summary = confirmed.summary(KNOWN, records, 20)
    assert [each["name"] for each in summary["candidates"]] == ["0007", "0003", "defaults", "supervised"]
    assert "Student's t, 95%" in summary["interval"] and "paired" in summary["interval"]
    assert summary["runs"][0] == {
        "run": "0000", "candidate": "defaults", "seed": 5, "state": "complete", "miou": 40.0, "student_mean": 39.0,
    }  # fmt: skip
    assert summary["runs"][-1]["miou"] is None


def test_a_best_trial_that_is_the_defaults_is_said_to_be(records: list[Record]) -> None:
    same = [Candidate("defaults", {"lr": 1.0}, "0000", 48.0, 1), *KNOWN[1:2]]
    summary = confirmed.summary(same, records[:6], 20)
    assert summary["notes"][0] == "trial 0000, number 1 of the search, is the defaults configuration: run once"
    assert [each["label"] for each in summary["candidates"]] == ["defaults = 0000", "supervised"]
