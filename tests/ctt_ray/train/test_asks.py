"""What is wanted of a run between two steps: by the clock, by a file, while data are waited for, and one answer for all."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctt_ray.config import ConfigError, RunConfig, with_values
from ctt_ray.train.asks import Ask, Pace
from ctt_ray.train.feed import Feed
from ctt_ray.train.session import WAIT, LocalSession
from ctt_ray.train.steps import Steps
from ctt_ray.train.wishes import Wishes
from ctt_ray.train.workers import Workers, parse, useful


def test_a_checkpoint_is_due_so_long_after_the_last() -> None:
    now = [0.0]
    pace = Pace(10, clock=lambda: now[0])
    due = []
    for second in (9, 10, 11, 12, 20, 21):
        now[0] = second
        due.append(pace.due())
        if second == 11:
            pace.saved()
    assert due == [False, True, True, False, False, True]


def test_a_session_forgets_a_wish_once_it_has_saved(tmp_path: Path) -> None:
    saved: list[int] = []
    session = LocalSession(tmp_path, on_save=saved.append)
    session.save_now()
    assert session.asked() is Ask.SAVE
    session.save(3, lambda folder: (folder / "state.json").write_text("{}"))  # type: ignore[arg-type,return-value]
    assert session.asked() is Ask.NOTHING and saved == [3]
    session.save_now()
    session.save(3, lambda folder: pytest.fail("there is nothing new"))
    assert session.asked() is Ask.NOTHING and saved == [3]


def test_wishes_are_files_beside_the_run(tmp_path: Path) -> None:
    wishes = Wishes.at(str(tmp_path), "run")
    assert wishes.highest() is Ask.NOTHING
    wishes.put(Ask.SAVE)
    assert wishes.highest() is Ask.SAVE and (tmp_path / "run" / "asked" / "save").is_file()
    wishes.put(Ask.STOP)
    assert wishes.highest() is Ask.STOP
    wishes.drop(Ask.STOP)
    assert wishes.highest() is Ask.SAVE
    wishes.clear()
    assert wishes.highest() is Ask.NOTHING


def test_a_feed_makes_nothing_ahead_and_passes_errors_on() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in (1, 2):
            made.append(number)
            yield number
        raise OSError("the disk is gone")

    feed = Feed(numbers())
    assert feed.ready(10) and feed.take() == 1
    time.sleep(0.05)
    assert made == [1]
    assert feed.ready(10) and feed.take() == 2 and feed.ready(10)
    with pytest.raises(OSError, match="the disk is gone"):
        feed.take()
    feed.close()


BUSY = """
import torch
from ctt_ray.train.feed import Feed

def items():
    while True:
        for _ in range(TIMES):
            (torch.rand(1000, 300) * 255).to(torch.uint8).clone()
        yield 0

TIMES = 1
feed = Feed(items())
assert feed.ready(60)
feed.take()
TIMES = 300
assert not feed.ready(0)
feed.close()
"""


def test_a_process_that_leaves_while_a_batch_is_being_made_ends_like_any_other() -> None:
    done = subprocess.run([sys.executable, "-c", BUSY], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_never_comes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctt_ray.train.feed.LEAVE_S", 0.1)
    comes = threading.Event()
    feed = Feed(iter(comes.wait, True))
    assert not feed.ready(0)
    feed.close()
    assert feed._thread.is_alive(), "left behind"
    comes.set()


class Crowd:
    """What engine.agreement does between processes, between threads: everybody gets the highest of each number."""

    def __init__(self, size: int) -> None:
        self._barrier, self._given = threading.Barrier(size, timeout=20), [(0, 0, 0)] * size

    def agree(self, rank: int):  # type: ignore[no-untyped-def]
        def highest(*values: int) -> tuple[int, ...]:
            self._given[rank] = (int(values[0]), int(values[1]), int(values[2]))
            self._barrier.wait()
            found = tuple(max(column) for column in zip(*self._given, strict=True))
            self._barrier.wait()
            return found

        return highest


@pytest.mark.parametrize("told", [0, 1])
def test_every_worker_hears_the_same_and_one_without_data_does_not_keep_the_others_from_leaving(
    tmp_path: Path, told: int
) -> None:
    """Worker 0 has its batches, worker 1 has no second one; what is asked then comes to one of them alone."""
    crowd, gate = Crowd(2), threading.Event()
    notice = [False]

    def second_hangs() -> Iterator[str]:
        yield "1a"
        gate.wait()
        yield "1b"

    heard: list[list[tuple[object, Ask]]] = [[], []]

    def work(rank: int) -> None:
        stream = iter(["0a", "0b"]) if rank == 0 else second_hangs()
        session = LocalSession(
            tmp_path / str(rank), asked=lambda: Ask.MOVE if rank == told and notice[0] else Ask.NOTHING
        )
        steps = Steps(stream, session, crowd.agree(rank))  # type: ignore[arg-type]
        heard[rank].append(steps.next())
        while (found := steps.next()) == (None, Ask.NOTHING):  # all go round together while one waits
            pass
        heard[rank].append(found)
        steps.close()

    threads = [threading.Thread(target=work, args=(rank,)) for rank in (0, 1)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    notice[0] = True
    for thread in threads:
        thread.join(20)
    gate.set()
    assert heard == [[("0a", Ask.NOTHING), (None, Ask.MOVE)], [("1a", Ask.NOTHING), (None, Ask.MOVE)]]


def test_the_wait_for_data_is_that_of_the_worker_that_waits_longest(tmp_path: Path) -> None:
    """Worker 1 takes 0.7 s for its second batch, longer than one look: both tell the mean of two steps, over all looks."""
    crowd = Crowd(2)
    told: list[list[object]] = [[], []]

    def late() -> Iterator[str]:
        yield "1a"
        time.sleep(0.7)
        yield "1b"

    def work(rank: int) -> None:
        steps = Steps(late() if rank else iter(["0a", "0b"]), LocalSession(tmp_path / str(rank)), crowd.agree(rank))  # type: ignore[arg-type]
        told[rank].append(steps.waited())
        taken = 0
        while taken < 2:
            taken += steps.next()[0] is not None
        told[rank] += [steps.waited(), steps.waited()]
        steps.close()

    threads = [threading.Thread(target=work, args=(rank,)) for rank in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert told[0] == told[1] and told[0][::2] == [{}, {}]
    assert 0.34 < told[0][1][WAIT] < 0.7  # type: ignore[index]


@pytest.mark.parametrize(("text", "found"), [("0", (0, 0)), ("4", (4, 4)), ("1:4", (1, 4)), (" 2:2 ", (2, 2))])
def test_workers_are_a_number_or_a_range(text: str, found: tuple[int, int]) -> None:
    assert parse(text) == Workers(*found) and parse(text).elastic == (found[0] < found[1])


@pytest.mark.parametrize("text", ["", "-1", "four", "4:1", "0:4", "1:", ":4", "1:2:3", "1.5"])
def test_other_workers_are_refused_in_words(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--workers .*(needed is a number|a range goes from 1)"):
        parse(text)


def test_no_more_workers_than_a_step_has_samples() -> None:
    config = with_values(RunConfig(), {"batch_labelled": 4, "batch_unlabelled": 3})
    assert useful(Workers(1, 8), config) == Workers(1, 3) and str(useful(Workers(1, 8), config)) == "1:3"
    assert useful(Workers(3, 3), config) == Workers(3, 3)
    with pytest.raises(ConfigError, match="a step has 3"):
        useful(Workers(4, 4), config)
