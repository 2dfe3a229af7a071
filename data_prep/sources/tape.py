"""Rows of a stream that can only be read forwards, handed to threads that ask for them nearly in order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any

from data_prep.schema import DataError

WINDOW = 64  # rows that the first thread to ask may be ahead of the others


class Tape:
    """Some rows of an iterable data set by their number. It starts near the first that is asked for, and keeps in memory
    only what it went past on the way to another thread's row."""

    def __init__(self, stream: Any, wanted: Sequence[int], where: str) -> None:
        """stream: a `datasets.IterableDataset`; wanted: row numbers, ascending; where: what messages call the stream."""
        self._stream, self._wanted, self._where = stream, list(wanted), where
        self._members = frozenset(wanted)
        self._lock = Lock()
        self._rows: Iterator[Mapping[str, Any]] | None = None
        self._next = 0
        self._passed: dict[int, Mapping[str, Any]] = {}

    def row(self, number: int) -> Mapping[str, Any]:
        """The row of this number; each can be had once. Raises DataError where the stream breaks off or ends before it."""
        with self._lock:
            if self._rows is None or (number < self._next and number not in self._passed):
                self._rewind(number)
            while number not in self._passed:
                self._advance()
            return self._passed.pop(number)

    def _rewind(self, number: int) -> None:
        place = bisect_left(self._wanted, number)
        self._next = self._wanted[max(0, place - WINDOW)]
        self._rows = iter(self._stream.skip(self._next))
        self._passed.clear()

    def _advance(self) -> None:
        assert self._rows is not None
        try:
            row = next(self._rows)
        except StopIteration:
            raise DataError(
                f"{self._where} ends after {self._next} rows, {self._wanted[-1] + 1} were announced. "
                "Repair the data set's description of itself, or save a copy with save_to_disk and name that."
            ) from None
        except Exception as error:  # whatever the file formats and the network throw
            raise DataError(
                f"{self._where}: row {self._next} cannot be read ({type(error).__name__}: {error}). "
                "If the connection broke, the same command goes on; otherwise repair the data set."
            ) from error
        if self._next in self._members:
            self._passed[self._next] = row
        self._next += 1
