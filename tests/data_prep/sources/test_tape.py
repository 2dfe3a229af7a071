"""A stream read forwards by several threads: every row once, from where they start, with little kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from data_prep.schema import DataError
from data_prep.sources.tape import WINDOW, Tape


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


@pytest.mark.parametrize("workers", [1, 4])
def test_every_thread_gets_its_row_in_one_pass(workers: int) -> None:
    stream = Stream(500)
    wanted = [number for number in range(500) if number % 3]
    tape = Tape(stream, wanted, "x")
    with ThreadPoolExecutor(workers) as pool:
        rows = list(pool.map(tape.row, wanted))
    assert [row["n"] for row in rows] == wanted
    assert len(stream.starts) == 1 and stream.read <= 500 and not tape._passed


def test_going_on_starts_near_the_first_row() -> None:
    stream = Stream(1000)
    tape = Tape(stream, range(1000), "x")
    assert tape.row(700)["n"] == 700 and stream.starts == [700 - WINDOW]
    assert tape.row(699)["n"] == 699 and stream.starts == [700 - WINDOW]  # the other thread, a little later
    assert tape.row(3)["n"] == 3 and len(stream.starts) == 2  # from the beginning again: rewound


def test_an_end_before_time_and_a_broken_row() -> None:
    with pytest.raises(DataError, match="voc, train ends after 5 rows, 9 were announced"):
        Tape(Stream(5), range(9), "voc, train").row(7)
    with pytest.raises(DataError, match=r"voc, train: row 2 cannot be read .OSError: line dropped"):
        Tape(Stream(5, broken=2), range(5), "voc, train").row(4)
