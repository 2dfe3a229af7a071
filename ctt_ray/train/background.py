"""Look at what other processes do while this one waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def repeated(look: Callable[[], None], *, every_s: float) -> Iterator[None]:
    """Call `look` from a thread while the block runs, and once more after it. A file system that does not answer for a moment
    is looked at again the next time."""
    done = threading.Event()

    def follow() -> None:
        while not done.wait(every_s):
            with suppress(OSError):
                look()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        with suppress(OSError):
            look()
