"""Rows of a stream that can only be read forwards, asked for in ascending order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from data_prep.schema import DataError


class Tape:
    """The rows of an iterable data set by their number. It starts at the first that is asked for; going back starts anew."""

    def __init__(self, stream: Any, announced: int, where: str) -> None:
        """stream: a `datasets.IterableDataset`; announced: rows it should have; where: what messages call the stream."""
        self._stream, self._announced, self._where = stream, announced, where
        self._rows: Iterator[Mapping[str, Any]] = iter(())
        self._next: int | None = None  # number of the row that comes next

    def row(self, number: int) -> Mapping[str, Any]:
        """The row of this number. Raises DataError where the stream breaks off or ends before it."""
        if self._next is None or number < self._next:
            self._next, self._rows = number, iter(self._stream.skip(number))
        while self._next < number:
            self._advance(self._next)
            self._next += 1
        self._next += 1
        return self._advance(number)

    def _advance(self, number: int) -> Mapping[str, Any]:
        try:
            return next(self._rows)
        except StopIteration:
            raise DataError(
                f"{self._where} ends before row {number} (the first is 0), {self._announced} rows were announced. "
                "Repair the data set's description of itself, or save a copy with save_to_disk and name that."
            ) from None
        except Exception as error:  # whatever the file formats and the network throw
            raise DataError(
                f"{self._where}: row {number} cannot be read ({type(error).__name__}: {error}). "
                "If the connection broke, the same command goes on; otherwise repair the data set."
            ) from error
