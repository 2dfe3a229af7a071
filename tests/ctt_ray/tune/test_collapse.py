"""Who is stopped for an alarm, who is not, and how it is told: no Ray cluster needed."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ctt_ray.tune import results
from ctt_ray.tune import settings as settings_of
from ctt_ray.tune.arguments import TuneArgs, plan
from ctt_ray.tune.board import Board
from ctt_ray.tune.collapse import Collapse
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.progress import Progress, ended
from ctt_ray.tune.settings import Settings
from ctt_ray.tune.status import Collapsed, lines, look

WHY = "t0 says one class on 99.50% and then 99.80% of the pixels"


@pytest.fixture
def board(folder: Folder, settings: Settings, put: Callable[..., None]) -> Board:
    """0001 has the alarm at its last report, 0002 had it once, 0003 at its full length."""
    settings_of.save(folder, settings)
    put("0000", {10: 30.0, 20: 31.0})
    put("0001", {10: 30.0, 20: 5.0})
    put("0002", {10: 5.0, 20: 30.0})
    put("0003", {10: 30.0, 80: 5.0})
    for id, at in (("0001", 20), ("0002", 10), ("0003", 80)):
        path = folder.trial(id) / "result.jsonl"
        found = [json.loads(line) for line in path.read_text().splitlines()]
        alarmed = [line | ({"collapsed": WHY} if line["iteration"] == at else {}) for line in found]
        path.write_text("".join(json.dumps(line) + "\n" for line in alarmed))
    return Board(folder, iterations=settings.iterations, total=settings.trials)


def test_a_report_with_the_alarm_stops_its_trial(board: Board) -> None:
    board.live = {"ray-a": "0001"}
    stopper = Collapse(board, on=True)
    assert not stopper("ray-a", {"iteration": 10, "miou": 30.0}) and not stopper.stop_all()
    assert stopper("ray-a", {"iteration": 20, "miou": 5.0, "collapsed": WHY})
    assert board.pruned == {"0001"}
    outcome = board.end("0001").outcome
    assert outcome is not None and (outcome.state, outcome.iteration, outcome.miou) == ("pruned", 20, 5.0)
    assert outcome.reason == f"stopped early at 20 of 80, collapsed: {WHY}" and outcome.kind == ""


def test_nobody_is_stopped_unless_asked_for_nor_at_the_full_length(board: Board) -> None:
    board.live = {"ray-a": "0001"}
    alarm = {"iteration": 20, "miou": 5.0, "collapsed": WHY}
    assert not Collapse(board, on=False)("ray-a", alarm)
    assert not Collapse(board, on=True)("ray-a", alarm | {"iteration": 80})
    assert not Collapse(board, on=True)("another program's", alarm)
    assert not Collapse(board, on=True)("ray-a", alarm | {"collapsed": "", "coupled": "alike"})
    Collapse(board, on=False).catch_up()
    assert board.pruned == set() and board.finished == 0


def test_what_a_kill_came_before_is_done_first(board: Board) -> None:
    Collapse(board, on=True).catch_up()
    assert board.pruned == {"0001"}
    assert [results.state(record) for record in board.records] == ["unfinished", "pruned", "unfinished", "unfinished"]


def test_status_table_and_lines_say_why(board: Board, settings: Settings) -> None:
    Collapse(board, on=True).catch_up()
    found = look(board.folder, settings, 0.0)
    assert found.collapsed == [Collapsed("0001", "pruned", 20, WHY), Collapsed("0003", "unfinished", 80, WHY)]
    assert f"collapsed   0001  pruned at 20: {WHY}" in lines(found)
    row = results.row(board.record("0001"), settings)
    assert row["reason"].endswith(f"collapsed: {WHY}")
    states = list(results.as_table(board.records, settings, every=True).columns[4].cells)
    assert sorted(states) == ["pruned, collapsed", "unfinished", "unfinished", "unfinished, collapsed"]
    assert ended(board.record("0001"), 80).endswith(f"collapsed: {WHY}")
    board.live = {"ray-d": "0003"}
    assert any(line.endswith("mIoU 5.00  collapsed") for line in Progress(board).block())


def test_it_is_a_setting_of_the_campaign_and_off_unless_given(tmp_path: object) -> None:
    asked = {"space": "demo", "storage": tmp_path, "trials": 4}
    assert not plan(TuneArgs(**asked)).settings.stop_collapsed
    assert plan(TuneArgs(**asked, stop_collapsed=True)).settings.stop_collapsed
