"""The bar on a terminal. Apart from console.py, since `rich` is slow to import."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class Speed(ProgressColumn):
    """Images a second, over the last ones."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.3g} images/s")


class Bar:
    """A bar a split (console.Counter)."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", visible=False)

    def begin(self, split: str, done: int, total: int) -> None:
        self._task = self._progress.add_task(split, completed=done, total=total)

    def step(self) -> None:
        self._progress.advance(self._task)


@contextmanager
def bar(stream: TextIO) -> Iterator[Bar]:
    """Bars below what is printed to stderr meanwhile; they stay when the work ends."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Speed(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=stream), redirect_stdout=False) as progress:
        yield Bar(progress)
