"""Each rule at its threshold: what is just beyond is told, what is not is not, and one report is never enough."""

from __future__ import annotations

import pytest

from ctt_ray.train import alarm
from ctt_ray.train.alarm import alarms, remembered

Report = dict[str, float | int | str]
ONE: Report = {"miou": 4.0, "best/miou": 30.0, "labels/top_share": 0.61, "pseudo/top_share/t0": 0.9912}
FALLEN: Report = {"miou": 14.9, "best/miou": 30.0, "pseudo/never": 0.25}
PEERS: Report = {"miou": 50.0, "best/miou": 50.0, "pairs/distance/s0-s1": 9e-4, "pairs/agree": 0.97}
TEACHERS: Report = {"miou": 50.0, "best/miou": 50.0, "pairs/distance/s0-s1": 0.1, "pairs/agree": 0.9991}


def test_one_class_on_nearly_all_pixels_is_a_collapse() -> None:
    assert alarms(ONE, {**ONE, "pseudo/top_share/t0": 0.998}) == {
        "collapsed": "t0 says one class on 99.12% and then 99.80% of the pixels (the commonest has 61% of the labelled ones) and "
        "mIoU does not rise (4.0, 4.0)"
    }


@pytest.mark.parametrize(
    "change",
    [
        {"pseudo/top_share/t0": 0.99},
        {"miou": 4.1},
        {"labels/top_share": 0.95},
        {"pseudo/top_share/t0": 0.5, "pseudo/top_share/t1": 0.999},  # another teacher than before
    ],
)
def test_one_class_is_no_collapse(change: Report) -> None:
    """At the threshold, with a rising score, where the labels are nearly one class too, or not the same teacher twice."""
    assert alarms(ONE, {**ONE, **change}) == {}


def test_any_teacher_counts() -> None:
    both = {**ONE, "pseudo/top_share/t0": 0.4, "pseudo/top_share/t1": 0.995}
    assert alarms(both, both)["collapsed"].startswith("t1 says one class")


def test_a_score_below_half_of_its_best_with_classes_gone_is_a_collapse() -> None:
    now = {**FALLEN, "miou": 12.0, "pseudo/never": 0.5}
    assert alarms(FALLEN, now) == {
        "collapsed": "no teacher says any of 50% of the labelled classes and mIoU is 14.9 and then 12.0, after 30.0"
    }


@pytest.mark.parametrize("change", [{"miou": 15.0}, {"pseudo/never": 0.24}, {"best/miou": 4.9, "miou": 1.0}])
def test_a_fall_is_no_collapse(change: Report) -> None:
    """At half of the best, with the classes still there, or from a score that was nothing."""
    before = {**FALLEN, "miou": 1.0} if "best/miou" in change else FALLEN
    assert alarms(before, {**before, **change}) == {} == alarms({**before, **change}, before | {"best/miou": 4.9})


def test_students_with_the_same_weights_and_teachers_with_the_same_labels_are_coupled() -> None:
    assert alarms(PEERS, PEERS) == {"coupled": "s0-s1 are one network: their weights are 9.0e-04 apart"}
    assert alarms(TEACHERS, TEACHERS) == {"coupled": "the teachers label 99.910% of the pixels alike"}
    assert alarms(PEERS, {**PEERS, "pairs/distance/s0-s1": alarm.SAME_WEIGHTS}) == {}
    assert alarms(TEACHERS, {**TEACHERS, "pairs/agree": alarm.SAME_LABELS}) == {}


def test_a_teacher_close_to_its_student_is_no_news() -> None:
    near = {**PEERS, "pairs/distance/s0-s1": 0.1, "follow/distance/s0-t0": 0.0, "follow/disagree/s0-t0": 0.0}
    assert alarms(near, near) == {}


def test_of_a_collapse_and_a_coupling_the_collapse_is_told() -> None:
    both = {**ONE, **PEERS, "miou": 4.0}
    assert list(alarms(both, both)) == ["collapsed"]


@pytest.mark.parametrize("now", [ONE, FALLEN, PEERS, TEACHERS])
def test_one_report_is_not_enough(now: Report) -> None:
    assert alarms({}, now) == {} == alarms({"miou": 60.0, "best/miou": 60.0}, now)


def test_a_supervised_run_has_no_alarm() -> None:
    poor: Report = {"miou": 0.0, "best/miou": 60.0, "labels/top_share": 0.6, "labels/share/a": 0.6}
    assert alarms(poor, poor) == {}


@pytest.mark.parametrize("report", [ONE, FALLEN, PEERS, TEACHERS])
def test_what_is_remembered_of_a_report_is_all_that_is_read(report: Report) -> None:
    more = {**report, "pseudo/predicted/road": 0.5, "seconds": 3.0, "collapsed": "why"}
    assert remembered(more) == report
    assert alarms(remembered(more), more) == alarms(report, report) != {}
