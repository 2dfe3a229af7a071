"""What is shown while a campaign runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import Folder, Outcome
from ctt_ray.tune.progress import Progress, clock


@pytest.fixture
def board(folder: Folder, put: Callable[..., None]) -> Board:
    put("0000", {80: 50.0}, "complete")
    put("0001", {10: 90.0}, "pruned")
    put("0002", {10: 40.0})
    board = Board(folder, iterations=80, total=6)
    board.live["ray_a"] = "0002"
    return board


def test_the_block(board: Board) -> None:
    lines = Progress(board, banner="REHEARSAL: x").block()
    assert lines[0] == "REHEARSAL: x"
    assert lines[1].startswith("2 of 6 finished: 1 complete, 1 pruned · 1 running · 0:00:0")
    assert lines[2].startswith("best so far: 0000  mIoU 50.00 at 80/80  lr 0.02  phi 0.3")
    assert lines[3] == "  running 0002  10/80  mIoU 40.00"


def test_off_a_terminal_each_finished_trial_is_one_line(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(board) as progress:
        progress.update()
        assert capsys.readouterr().err == ""  # what an earlier process said is not said again
        board.folder.settle("0002", Outcome("failed", 10, None, reason="ValueError: boom"))
        board.refresh("0002")
        progress.update()
        progress.update()
    said = capsys.readouterr().err.splitlines()
    assert said == ["[3 of 6 finished: 1 complete, 1 pruned, 1 failed · 1 running] trial 0002 failed: ValueError: boom"]


def test_clock() -> None:
    assert [clock(s) for s in (0, 59.9, 61, 36_061)] == ["0:00:00", "0:00:59", "0:01:01", "10:01:01"]
