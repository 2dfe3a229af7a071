"""Plain lines by a clock of the test's own, and a bar on a terminal."""

from __future__ import annotations

import io
import sys

import pytest

from data_prep.bar import bar
from data_prep.console import EVERY, Lines, counter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_every_ten_seconds_and_one_at_the_end() -> None:
    now, said = 0.0, []
    lines = Lines(said.append, lambda: now)
    lines.begin("train", 0, 100)
    for _ in range(100):
        now += EVERY / 40  # four images a second
        lines.step()
    assert said == [
        "train: 40 of 100 images, 4 images/s, 0:00:15 left",
        "train: 80 of 100 images, 4 images/s, 0:00:05 left",
        "train: 100 of 100 images, 4 images/s",
    ]


def test_what_was_done_before_does_not_count_as_fast() -> None:
    now, said = 5.0, []
    lines = Lines(said.append, lambda: now)
    lines.begin("val", 90, 92)
    for _ in range(2):
        now += 1.0
        lines.step()
    assert said == ["val: 90 of 92 images were done already", "val: 92 of 92 images, 1 images/s"]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with counter(lambda line: print(line, file=sys.stderr)) as shown:
        shown.begin("train", 1, 3)
        for _ in range(2):
            shown.step()
        print("a note", file=sys.stderr)
    text = stream.getvalue()
    assert "train" in text and "3/3" in text and "images/s" in text and "a note" in text


def test_the_bar_leaves_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with bar(Terminal()) as shown:
        shown.begin("train", 0, 1)
        shown.step()
        print("result")
    assert capsys.readouterr().out == "result\n"


def test_elsewhere_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with counter(print) as shown:
        assert isinstance(shown, Lines)
