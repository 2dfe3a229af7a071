"""Importances: at one level, on enough trials, and what separates the scores comes first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctt_ray.report.importance import LEAST, importances, is_log
from ctt_ray.tune.fidelity import levels
from ctt_ray.tune.folder import Folder, Issued, Outcome, Record

RUNGS, LENGTH = [10], 20


def trials(count: int, full: int = 0, extra: dict[int, Any] | None = None) -> list[Record]:
    """Scores at 10 follow a, at 20 follow b; the first `full` trials ran to 20, the others were stopped at 10."""
    random = np.random.default_rng(0)
    found = []
    for number in range(count):
        a, b, c = (float(value) for value in random.uniform(0.0, 1.0, 3))
        params: dict[str, Any] = {"a": a, "b": b, "c": c, "kind": "xy"[number % 2]}
        if number in (extra or {}):
            params["only"] = 1.0
        lines: list[Any] = [{"iteration": 10, "miou": 40 * a}]
        lines += [{"iteration": 20, "miou": 40 * b}] if number < full else []
        state = "complete" if number < full else "pruned"
        found.append(Record(Issued(f"{number:04d}", params, params, ""), lines, Outcome(state, 10, 1.0)))  # type: ignore[arg-type]
    return found


def of(records: list[Record], step: int | None = None) -> Any:
    return importances(records, levels(records, RUNGS, LENGTH), step)


def test_what_makes_the_score_is_first_and_shares_sum_to_one() -> None:
    found = of(trials(24))
    assert (found.step, found.trials, found.refused) == (10, 24, "")
    assert next(iter(found.weights)) == "a" and found.weights["a"] > 0.6
    assert sum(found.weights.values()) == pytest.approx(1)
    assert set(found.weights) == {"a", "b", "c", "kind"}
    assert all(found.low[name] <= found.weights[name] <= found.high[name] for name in found.weights)
    assert found.low["a"] > max(found.high[name] for name in ("b", "c", "kind"))


def test_scores_of_different_lengths_never_mix() -> None:
    records = trials(24, full=16)  # 16 reached 20, where b makes the score
    high, low = of(records), of(records, 10)
    assert (high.step, high.trials, next(iter(high.weights))) == (20, 16, "b")
    assert (low.step, low.trials, next(iter(low.weights))) == (10, 24, "a")
    few = of(trials(24, full=LEAST - 1))
    assert (few.step, few.trials) == (10, 24)  # too few at 20: the level below


def test_too_few_trials_are_not_ranked() -> None:
    assert "fewer than 8 trials have a score" in of(trials(LEAST - 1)).refused
    assert of(trials(LEAST)).refused == ""
    assert "4 reached 20" in of(trials(24, full=4), 20).refused
    assert "none reached any" in of([]).refused


def test_equal_scores_are_not_ranked() -> None:
    records = [Record(each.issued, [{"iteration": 10, "miou": 5.0}], each.outcome) for each in trials(9)]
    found = of(records)
    assert found.weights == {} and "all 9 trials have the same score at 10" in found.refused


def test_parameters_that_only_some_trials_have_are_named() -> None:
    found = of(trials(12, extra={3: None}))
    assert found.left_out == ("only",) and "only" not in found.weights


def test_a_parameter_spread_over_orders_of_magnitude_is_logarithmic() -> None:
    assert is_log([1e-4, 1e-2]) and not is_log([0.1, 0.9]) and not is_log([0.0, 1.0])
    assert not is_log(["a", 1.0]) and not is_log([True, False]) and not is_log([])


def test_records_read_from_files_give_the_same(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for record in trials(9):
        folder.issue(record.issued)
        (folder.trial(record.id) / "result.jsonl").write_text("".join(json.dumps(x) + "\n" for x in record.lines))
    assert of(folder.records()) == of(trials(9))
