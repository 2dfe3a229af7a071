"""Functions for the worker processes of tests/data_prep/test_pool.py, which import them by name."""

from __future__ import annotations

import os
import signal
import time


def nothing() -> None:
    pass


def square(number: int) -> int:
    return number * number


def slow_at_fives(number: int) -> int:
    time.sleep(0.02 if number % 5 == 0 else 0)
    return -number


def doubled(data: bytes) -> bytes:
    return data + data


def stumble(number: int) -> int:
    if number == 20:
        raise ValueError("number twenty")
    return number


def be_killed(number: int) -> int:
    if number == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def leave(number: int) -> int:
    if number == 20:
        os._exit(3)
    return number


def who(number: int) -> int:
    return os.getpid()


def sleep_long(number: int) -> int:
    time.sleep(1000)
    return number
