"""The map over processes: order, bounds, and what happens when something dies."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pool_tasks
import psutil
import pytest

from data_prep.errors import BadItem, WorkerDied
from data_prep.pool import CHUNK, HELD, HERE_BELOW, Pool, mapping


def pool(function: Callable[[int], int], workers: int = 2) -> Pool[int, int]:
    return Pool(function, workers, pool_tasks.nothing)


@pytest.fixture(autouse=True)
def nobody_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("count", [0, 1, CHUNK, 10 * CHUNK + 3])
def test_results_come_in_the_order_of_the_tasks(workers: int, count: int) -> None:
    with pool(pool_tasks.slow_at_fives, workers) as build:
        assert list(build(range(count))) == [-number for number in range(count)]
        assert list(build(iter([7]))) == [-7]  # the same processes, for the next split


def test_tasks_are_taken_only_as_far_ahead_as_promised() -> None:
    taken = 0

    def tasks() -> Iterator[int]:
        nonlocal taken
        for number in range(50 * CHUNK):
            taken += 1
            yield number

    ahead = []
    with pool(pool_tasks.square) as build:
        for done, result in enumerate(build(tasks())):
            assert result == done * done
            ahead.append(taken - done)
    assert max(ahead) == 2 * CHUNK * HELD


def test_big_messages_both_ways_do_not_wait_for_each_other() -> None:
    tasks = [bytes([number]) * (3 << 20) for number in range(3 * CHUNK)]
    with Pool(pool_tasks.doubled, 1, pool_tasks.nothing) as build:
        assert all(found == task + task for found, task in zip(build(tasks), tasks, strict=True))


def test_several_processes_and_none_of_them_this_one() -> None:
    with pool(pool_tasks.who) as build:
        pids = set(build(range(20 * CHUNK)))
    assert len(pids) == 2 and multiprocessing.current_process().pid not in pids


def test_few_tasks_stay_here() -> None:
    me = multiprocessing.current_process().pid
    first = pool_tasks.nothing
    for workers, tasks in ((1, 10**9), (8, 2 * HERE_BELOW - 1)):
        with mapping(pool_tasks.who, workers=workers, tasks=tasks, first=first) as build:
            assert list(build([1])) == [me]
    with mapping(pool_tasks.who, workers=8, tasks=2 * HERE_BELOW, first=first) as build:
        assert me not in build([1]) and len(multiprocessing.active_children()) == 2


def test_what_the_function_raises_comes_with_its_traceback() -> None:
    with pool(pool_tasks.stumble) as build, pytest.raises(RuntimeError, match=r"(?s)in stumble.*number twenty"):
        list(build(range(100)))


@pytest.mark.parametrize(
    ("function", "how"), [(pool_tasks.be_killed, "killed by SIGKILL"), (pool_tasks.leave, "exit code 3")]
)
def test_a_dead_worker_is_a_message_and_not_a_hang(function: Callable[[int], int], how: str) -> None:
    with pool(function) as build, pytest.raises(WorkerDied) as caught:
        list(build(range(1000)))
    text = str(caught.value)
    assert how in text and "is gone at 16 to 23" in text and "the same command goes on" in text
    assert "fewer --workers than 2" in text


def test_leaving_half_way_ends_the_workers() -> None:
    with pytest.raises(KeyboardInterrupt), pool(pool_tasks.square) as build:
        for result in build(range(10**6)):
            if result > 400:
                raise KeyboardInterrupt


def test_reasons_survive_the_way_between_processes() -> None:
    bad = pickle.loads(pickle.dumps(BadItem("a.png", "unreadable")))
    assert (bad.file, bad.reason, str(bad)) == ("a.png", "unreadable", "a.png: unreadable")


@pytest.mark.parametrize("work", ["square", "sleep_long"], ids=["idle", "busy"])
def test_workers_do_not_outlive_a_killed_parent(work: str) -> None:
    """Idle ones wait for tasks, busy ones are asleep in theirs."""
    program = f"""
import multiprocessing, os, signal, threading, time, pool_tasks
from data_prep.pool import Pool
with Pool(pool_tasks.{work}, 2, pool_tasks.nothing) as build:
    threading.Thread(target=lambda: list(build(range(32))), daemon=True).start()
    time.sleep(2)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    tests = Path(__file__).resolve().parents[1]
    env = {**os.environ, "PYTHONPATH": f"{tests.parent}{os.pathsep}{tests}"}
    process = subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as answer:
        pids = [int(word) for word in answer.readline().split()]
    assert process.wait(60) == -signal.SIGKILL and len(pids) == 2
    end = time.monotonic() + 20
    try:
        while any(map(psutil.pid_exists, pids)):
            assert time.monotonic() < end, "a worker lives on"
            time.sleep(0.01)
    finally:
        for pid in filter(psutil.pid_exists, pids):
            os.kill(pid, signal.SIGKILL)
