"""A map over worker processes: results in order, a bounded number of tasks under way, and no process is left behind.

Each worker has a pipe of its own, of which only the parent holds the other end. A worker that dies closes its end, so the
parent sees it at once instead of waiting; a parent that dies, however, closes all of them, and the workers leave. In a
worker a thread does nothing but receive: a send to a worker never waits for work, hence never for a send to the parent.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import count, islice
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, Generic, TypeVar

from data_prep.errors import WorkerDied

Task = TypeVar("Task")
Result = TypeVar("Result")
Mapping = Callable[[Iterable[Task]], Iterator[Result]]

CHUNK = 8  # tasks in a message: small enough that big pictures do not pile up, large enough to make messages cheap
HELD = 2  # chunks that a worker holds: the one it works on and the next
HERE_BELOW = 64  # tasks a worker; with fewer, starting a process costs more than it saves


def mapping(
    function: Callable[[Task], Result], *, workers: int, tasks: int, first: Callable[[], None]
) -> AbstractContextManager[Mapping[Task, Result]]:
    """`map(function, ...)` as a context: in so many worker processes, or fewer where the tasks are few, or in this one.

    first: what a worker does when it starts. All must be picklable; the results do not depend on `workers`."""
    worth = min(workers, tasks // HERE_BELOW)
    if worth < 2:
        return nullcontext(lambda items: map(function, items))
    return Pool(function, worth, first)


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    held: deque[tuple[int, str]] = field(default_factory=deque)  # number and name of each chunk it has not answered


class Pool(Generic[Task, Result]):
    """Worker processes that apply one function; a context whose value is the ordered map over them."""

    def __init__(self, function: Callable[[Task], Result], workers: int, first: Callable[[], None]) -> None:
        self._function, self._count, self._first = function, workers, first
        self._workers: list[_Worker] = []

    def __enter__(self) -> Mapping[Task, Result]:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self.map

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def map(self, tasks: Iterable[Task]) -> Iterator[Result]:
        """The function's results in the order of the tasks, of which CHUNK x HELD a worker are taken ahead.

        Raises WorkerDied, and RuntimeError with the worker's traceback where the function raised."""
        chunks = _chunks(tasks)
        answers: dict[int, list[Result]] = {}  # those that came before their turn
        given = 0
        for turn in count():
            while given < turn + HELD * len(self._workers) and (chunk := next(chunks, None)):
                self._give(given, chunk)
                given += 1
            if turn == given:
                return
            while turn not in answers:
                self._receive(answers)
            yield from answers.pop(turn)

    def _give(self, number: int, chunk: list[Task]) -> None:
        worker = min(self._workers, key=lambda one: len(one.held))
        worker.held.append((number, f"{chunk[0]} to {chunk[-1]}"))
        try:
            worker.pipe.send(chunk)
        except OSError:
            raise self._died(worker) from None

    def _receive(self, answers: dict[int, list[Result]]) -> None:
        """Wait for answers and take those that are there."""
        by_pipe = {worker.pipe: worker for worker in self._workers}
        for pipe in wait(list(by_pipe)):
            worker = by_pipe[pipe]  # type: ignore[index]
            try:
                answer = worker.pipe.recv()
            except (EOFError, OSError):
                raise self._died(worker) from None
            if isinstance(answer, str):
                raise RuntimeError(f"a worker process failed:\n{answer}")
            answers[worker.held.popleft()[0]] = answer

    def _died(self, worker: _Worker) -> WorkerDied:
        """What to say of a worker whose pipe is closed."""
        worker.process.join()
        code = worker.process.exitcode or 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        at = f" at {worker.held[0][1]}" if worker.held else ""
        return WorkerDied(
            f"worker process {worker.process.pid} is gone{at} ({how}). Every finished shard is kept: the same command "
            f"goes on. SIGKILL mostly means that memory ran out: take fewer --workers than {len(self._workers)}."
        )

    def _start(self) -> None:
        """Start the workers with SIGINT and SIGTERM blocked: whoever ends the group of processes ends the parent, and the
        parent ends them. A signal that comes meanwhile reaches the parent when all have started."""
        resource_tracker.ensure_running()  # it unblocks the two when it starts
        context = multiprocessing.get_context("spawn")
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            for _ in range(self._count):
                ours, theirs = context.Pipe()
                process = context.Process(target=_work, args=(theirs, self._function, self._first), daemon=True)
                process.start()
                theirs.close()
                self._workers.append(_Worker(process, ours))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _end(self) -> None:
        """Workers keep nothing that could be lost: they are killed."""
        for worker in self._workers:
            worker.process.kill()
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()
        self._workers.clear()


def _work(pipe: Connection, function: Callable[[Any], Any], first: Callable[[], None]) -> None:
    """A worker's life: answer every chunk with its results, or with the traceback of what the function raised."""
    inbox: SimpleQueue[list[Any]] = SimpleQueue()
    Thread(target=_fill, args=(pipe, inbox), daemon=True).start()
    first()
    while True:
        chunk = inbox.get()
        try:
            answer: list[Any] | str = [function(task) for task in chunk]
        except Exception:
            answer = traceback.format_exc()
        try:
            pipe.send(answer)
        except OSError:  # the parent is gone
            os._exit(0)


def _fill(pipe: Connection, inbox: SimpleQueue[list[Any]]) -> None:
    try:
        while True:
            inbox.put(pipe.recv())
    except (EOFError, OSError):
        os._exit(0)  # the parent is gone: nobody waits for what is being worked on


def _chunks(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    queue = iter(tasks)
    while chunk := list(islice(queue, CHUNK)):
        yield chunk
