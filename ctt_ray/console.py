"""Progress on stderr: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
LINES = 4  # plain lines a pass


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def counted(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """The items, with their count shown as they are asked for."""
    from rich.console import Console
    from rich.progress import track

    console = Console(file=sys.stderr)
    if console.is_terminal:
        yield from track(items, what, total=total, console=console)
        return
    every = max(1, -(-total // LINES))
    for number, item in enumerate(items, 1):
        yield item
        if number % every == 0 or number == total:
            say(f"{what} {number}/{total}")
