"""One process at a time runs a trial: trains it, or waits for Ray Train's workers, which have a rule of their own (worker.py).

The newest that asks gets it: Ray starts a trial again only when it has given the last process up, and that one may live on,
a killed campaign's for seconds, one that the cluster has lost sight of for as long as it likes. trials/ID/.claim names who
asked last; a process that finds another name there ends at once, as if it were killed. trials/ID/.lock keeps the next one
waiting until it has.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ctt_ray.train.background import repeated
from ctt_ray.tune.folder import try_lock

PATIENCE_S = 60.0  # the holder looks every second: longer only where it is stopped or its machine is cut off
LOOK_EVERY_S = 1.0


class Refused(RuntimeError):
    """The last process of a trial does not let go of it."""


@contextmanager
def claim(
    trial: Path, *, patience_s: float = PATIENCE_S, leave: Callable[[], None] = lambda: os._exit(1)
) -> Iterator[None]:
    """Hold the trial while the block runs. Raises Refused while another process does not let go.

    leave: what to do when another process asks for the trial; called from a thread.
    """
    me = f"process {os.getpid()} on {socket.gethostname()}"
    mine = f"{me} at {time.time_ns()}"
    asked = trial / ".claim"
    beside = asked.with_name(f".claim.{socket.gethostname()}.{os.getpid()}")  # two may ask at once
    beside.write_text(mine)
    os.replace(beside, asked)

    def look() -> None:
        with suppress(OSError):  # a network file system has such moments
            if asked.read_text() != mine:
                leave()

    with (trial / ".lock").open("a+") as handle:
        until = time.monotonic() + patience_s
        while not try_lock(handle.fileno()):
            look()
            if time.monotonic() > until:
                handle.seek(0)
                raise Refused(
                    f"trial {trial.name} is still being trained by {handle.read() or 'another process'}; end it"
                )
            time.sleep(0.2)
        look()  # somebody may have asked while this one waited
        handle.truncate(0)
        handle.write(me)
        handle.flush()
        with repeated(look, every_s=LOOK_EVERY_S):
            yield
