"""A stream read forwards: every row once, from where the reading starts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from data_prep.schema import DataError
from data_prep.sources.tape import Tape


class Stream:
    """`count` rows {"n": number}; remembers where it was started. A row in `broken` raises."""

    def __init__(self, count: int, broken: int = -1) -> None:
        self.count, self.broken, self.starts, self.read = count, broken, [], 0
        self._from = 0

    def skip(self, number: int) -> Stream:
        self.starts.append(number)
        self._from = number
        return self

    def __iter__(self) -> Iterator[dict[str, int]]:
        for number in range(self._from, self.count):
            if number == self.broken:
                raise OSError("line dropped")
            self.read += 1
            yield {"n": number}


def test_every_row_in_one_pass() -> None:
    stream = Stream(500)
    wanted = [number for number in range(500) if number % 3]
    tape = Tape(stream, 500, "x")
    assert [tape.row(number)["n"] for number in wanted] == wanted
    assert stream.starts == [1] and stream.read == 499


def test_going_on_starts_at_the_first_row_that_is_asked_for() -> None:
    stream = Stream(1000)
    tape = Tape(stream, 1000, "x")
    assert tape.row(700)["n"] == 700 and tape.row(702)["n"] == 702 and stream.starts == [700] and stream.read == 3
    assert tape.row(3)["n"] == 3 and stream.starts == [700, 3]  # from the beginning again: started anew


def test_an_end_before_time_and_a_broken_row() -> None:
    with pytest.raises(DataError, match=r"voc, train ends before row 5 .*, 9 rows were announced"):
        Tape(Stream(5), 9, "voc, train").row(5)
    with pytest.raises(DataError, match=r"voc, train: row 2 cannot be read .OSError: line dropped"):
        tape = Tape(Stream(5, broken=2), 5, "voc, train")
        assert tape.row(0)["n"] == 0
        tape.row(4)


def test_the_end_lies_before_the_first_row_that_is_asked_for() -> None:
    tape = Tape(Stream(5), 9, "x")
    for _ in range(2):
        with pytest.raises(DataError, match="ends before row 7"):
            tape.row(7)
