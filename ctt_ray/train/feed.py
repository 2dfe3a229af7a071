"""next() in a thread of its own, so that who waits for it can look at something else meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")
LEAVE_S = 10.0  # for the item that is being made: longer than any but one whose data do not come


class Feed(Generic[Item]):
    """Items are made one at a time and only when wanted: nothing is read ahead. What making one raises, `take` raises."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._wanted: SimpleQueue[bool] = SimpleQueue()
        self._made: SimpleQueue[tuple[Item | None, BaseException | None]] = SimpleQueue()
        self._asked = False
        self._next: tuple[Item | None, BaseException | None] | None = None
        self._thread = threading.Thread(target=self._serve, args=(items,), daemon=True)
        self._thread.start()

    def ready(self, patience: float) -> bool:
        """Whether the next item is there; asks for it, and waits so many seconds."""
        if not self._asked:
            self._asked = True
            self._wanted.put(True)
        if self._next is None:
            try:
                self._next = self._made.get(timeout=patience) if patience else self._made.get_nowait()
            except Empty:
                return False
        return True

    def take(self) -> Item:
        """The item that is `ready`."""
        assert self._next is not None, "take() comes after ready()"
        (item, error), self._next, self._asked = self._next, None, False
        if error is not None:
            raise error
        return item  # type: ignore[return-value]  # there is no error, so there is an item

    def close(self) -> None:
        """Let the thread go, and wait for it: a process that ends while another of its threads is inside torch aborts. One
        that waits for data which do not come is left behind."""
        self._wanted.put(False)
        self._thread.join(LEAVE_S)

    def _serve(self, items: Iterable[Item]) -> None:
        iterator = None
        while self._wanted.get():
            try:
                iterator = iter(items) if iterator is None else iterator
                self._made.put((next(iterator), None))
            except BaseException as error:
                self._made.put((None, error))
