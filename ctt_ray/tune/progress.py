"""What a campaign shows while it runs, on stderr: a live block on a terminal, one line a finished trial elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from ray.tune import Callback
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ctt_ray.tune.board import Board
from ctt_ray.tune.fidelity import Standing, standing
from ctt_ray.tune.folder import Record
from ctt_ray.tune.results import best, short, state
from ctt_ray.tune.unsaved import Unsaved

LAST_LINES = 6
REFRESH_S = 0.5


class Progress(Unsaved, Callback):
    """Follows the board. Use as a context manager: the block is drawn between enter and exit."""

    def __init__(self, board: Board, *, banner: str = "", levels: Sequence[int] = ()) -> None:
        self.board = board
        self.levels = levels  # iterations at which trials are compared
        self.banner = banner
        self._console = Console(file=sys.stderr)
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._said = {record.id for record in board.records if record.outcome}
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._started = time.monotonic()
        self._drawn = 0.0

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.update()
        if self._live:
            self._live.stop()

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.update()

    def update(self) -> None:
        for record in self.board.records:
            if record.outcome and record.id not in self._said:
                self._said.add(record.id)
                self.say(ended(record, self.board.iterations))
        if self._live and time.monotonic() - self._drawn >= REFRESH_S:
            self._drawn = time.monotonic()
            self._live.update(Group(*(Text(line) for line in self.block())), refresh=True)

    def block(self) -> list[str]:
        """The status in a few lines."""
        lines = [self.banner] if self.banner else []
        lines.append(f"{counts(self.board)} · {clock(time.monotonic() - self._started)}")
        top = best(self.board.records, self.levels)
        at = top and standing(top, self.levels)
        if top and at:
            lines.append(f"best so far: {described(top, self.board.iterations, at)}")
        for id in self.board.live.values():
            record = self.board.record(id)
            score = "" if record.miou is None else f"  mIoU {record.miou:.2f}"
            collapsed = "  collapsed" if record.collapsed else ""
            lines.append(f"  running {id}  {record.iteration}/{self.board.iterations}{score}{collapsed}")
        if self.board.stopping:
            lines.append(f"stopping: {self.board.stopping}")
        return lines + list(self._lines)

    def say(self, line: str) -> None:
        """Show a line: of several callbacks' words, the last few stay in the block."""
        self._lines.append(line)
        if not self._live:
            print(f"[{counts(self.board)}] {line}", file=sys.stderr, flush=True)


def counts(board: Board) -> str:
    """'3 of 8 finished: 2 complete, 1 pruned · 2 running'."""
    found = Counter(state(record) for record in board.records)
    kinds = ", ".join(f"{found[kind]} {kind}" for kind in ("complete", "pruned", "failed") if found[kind])
    running = f" · {len(board.live)} running" if board.live else ""
    return f"{board.finished} of {board.total} finished" + (f": {kinds}" if kinds else "") + running


def ended(record: Record, iterations: int) -> str:
    if state(record) == "failed":
        assert record.outcome is not None
        return f"trial {record.id} failed: {record.outcome.reason}"
    why = f"  collapsed: {record.collapsed}" if record.collapsed else ""
    return f"trial {state(record)} {described(record, iterations)}{why}"


def described(record: Record, iterations: int, at: Standing | None = None) -> str:
    """at: where it is compared with others; default: at its last report."""
    step, score = (at.step, at.miou) if at else (record.iteration, record.miou)
    values = "  ".join(f"{name} {short(value)}" for name, value in record.issued.values.items())
    return f"{record.id}  mIoU {score:.2f} at {step}/{iterations}  {values}"


def clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
