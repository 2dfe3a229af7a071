"""How far a preparation is, on stderr: a bar on a terminal, elsewhere a plain line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

EVERY = 10.0  # seconds between plain lines
Say = Callable[[str], None]


class Counter(Protocol):
    """What is told of the images of a split as they are done."""

    def begin(self, split: str, done: int, total: int) -> None: ...

    def step(self) -> None: ...


class Lines:
    """A line every 10 seconds at most, and one when a split is done."""

    def __init__(self, say: Say, clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._split, self._before, self._done, self._total = "", 0, 0, 0
        self._began = self._shown = 0.0

    def begin(self, split: str, done: int, total: int) -> None:
        if done:
            self._say(f"{split}: {done} of {total} images were done already")
        self._split, self._before, self._done, self._total = split, done, done, total
        self._began = self._shown = self._clock()

    def step(self) -> None:
        self._done += 1
        now = self._clock()
        left = self._total - self._done
        if left and now - self._shown < EVERY:
            return
        self._shown = now
        speed = (self._done - self._before) / max(now - self._began, 1e-3)
        still = f", {timedelta(seconds=round(left / speed))} left" if left else ""
        self._say(f"{self._split}: {self._done} of {self._total} images, {speed:.3g} images/s{still}")


@contextmanager
def counter(say: Say) -> Iterator[Counter]:
    """A bar where a person looks at stderr, plain lines where nobody does."""
    if sys.stderr.isatty():
        from data_prep.bar import bar

        with bar(sys.stderr) as shown:
            yield shown
    else:
        yield Lines(say)
