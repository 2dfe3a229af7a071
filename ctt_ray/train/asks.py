"""What somebody may want of a run between two of its steps, and when the clock wants a checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import IntEnum

MAX_LOST_MINUTES = 5.0


class Ask(IntEnum):
    """Of several, the highest counts."""

    NOTHING = 0
    SAVE = 1  # a checkpoint, and on
    MOVE = 2  # a checkpoint, and leave: the machine is to be taken away, the run goes on elsewhere by itself
    STOP = 3  # a checkpoint, and leave: the same command goes on

    @property
    def leaves(self) -> bool:
        return self >= Ask.MOVE


class Pace:
    """Whether a checkpoint is due: so many seconds of work may be lost. The clock decides when to save, never what comes out."""

    def __init__(self, most_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_s, self._clock = most_s, clock
        self._since = clock()

    def due(self) -> bool:
        return self._clock() - self._since >= self._most_s

    def saved(self) -> None:
        self._since = self._clock()
