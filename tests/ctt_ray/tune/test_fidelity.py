"""Scores at equal fidelity."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ctt_ray.tune.fidelity import Level, Standing, at, common, highest, levels, standing
from ctt_ray.tune.folder import Folder, Record


@pytest.fixture
def records(folder: Folder, put: Callable[..., None]) -> list[Record]:
    put("0000", {10: 30.0, 20: 41.0, 40: 45.0, 80: 50.0}, "complete")
    put("0001", {10: 90.0}, "pruned")
    put("0002", {10: 35.0, 20: 40.0}, "pruned")
    put("0003", {10: 70.0, 20: 80.0, 40: 99.0}, "failed")
    put("0004", {10: 20.0, 15: 66.0})
    put("0005", {10: float("nan"), 20: 44.0})
    put("0006", {})
    return folder.records()


def test_each_trial_counts_with_its_score_at_that_step_alone(records: list[Record]) -> None:
    assert at(records, 10) == {"0000": 30.0, "0001": 90.0, "0002": 35.0, "0004": 20.0}
    assert at(records, 20) == {"0000": 41.0, "0002": 40.0, "0005": 44.0}
    assert at(records, 80) == {"0000": 50.0}
    assert at(records, 30) == {} and at([], 10) == {}


def test_the_ladder_and_how_many_reached_each_of_its_levels(records: list[Record]) -> None:
    assert levels(records, [10, 20, 40], 80) == [Level(10, 4), Level(20, 3), Level(40, 1), Level(80, 1)]
    assert levels(records, [], 80) == [Level(80, 1)]
    assert levels([], [10], 80) == [Level(10, 0), Level(80, 0)]


def test_the_highest_level_with_enough_trials(records: list[Record]) -> None:
    ladder = levels(records, [10, 20, 40], 80)
    assert highest(ladder) == Level(80, 1)
    assert highest(ladder, 2) == Level(20, 3)
    assert highest(ladder, 4) == Level(10, 4)
    assert highest(ladder, 5) is None


def test_how_far_up_the_ladder_a_trial_came(records: list[Record]) -> None:
    found = [standing(record, [10, 20, 40, 80]) for record in records]
    assert found == [Standing(80, 50.0), Standing(10, 90.0), Standing(20, 40.0), None, Standing(10, 20.0)] + [
        Standing(20, 44.0),
        None,
    ]
    assert standing(records[4], []) == Standing(15, 66.0)  # no level reached: its last report
    assert standing(records[4], [40]) == Standing(15, 66.0)


def test_the_level_where_many_are_compared(records: list[Record]) -> None:
    ladder = levels(records, [10, 20, 40], 80)
    assert common(ladder, 3) == Level(20, 3)
    assert common(ladder) == Level(10, 4)  # none has eight: the fullest
    assert common([Level(10, 2), Level(20, 2), Level(80, 1)]) == Level(20, 2)
    assert common(levels([], [10], 80)) is None and common([]) is None
