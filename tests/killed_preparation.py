"""Preparations that kill their own process at a file event, for tests/data_prep/test_kills.py.

    python killed_preparation.py RAW    then a line "OUT EVENT" each on stdin; answers with exit status and events seen

Each runs in a fork of this process, which has loaded the libraries once."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from data_prep.options import WriteOptions
from data_prep.prepare import prepare
from data_prep.shards import ShardWriter
from data_prep.sources.folder import Folder

EVENTS = ("open", "os.rename", "os.remove")  # of Python's audit hooks: they come before the deed


def run(raw: Path, out: Path, kill_at: int) -> int:
    """Prepare raw into out, with SIGKILL before the n-th event, counted from 1 (0: never). Returns the number of events."""
    count = 0

    def event() -> None:
        nonlocal count
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(name: str, arguments: tuple[object, ...]) -> None:
        if name in EVENTS and str(arguments[0]).startswith(str(out)):
            event()

    real = ShardWriter._flush

    def flush(self: ShardWriter) -> None:
        event()
        real(self)

    ShardWriter._flush = flush  # type: ignore[method-assign]
    sys.addaudithook(hook)
    work(raw, out)
    return count


def work(raw: Path, out: Path) -> None:
    source = Folder(raw, classes="a,b,c", val_fraction=0.25)
    prepare(source.open(), WriteOptions(out, shard_mib=0.002, workers=1), lambda line: None)


def serve(raw: Path) -> None:
    with TemporaryDirectory() as place:
        work(raw, Path(place, "warm"))  # what the libraries do the first time is done before the forks
    for line in sys.stdin:
        out, kill_at = line.split()
        child = os.fork()
        if not child:
            print(run(raw, Path(out), int(kill_at)), end=" ", flush=True)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
