"""What a Ray Train worker runs: the loop, with Ray's answers to where to resume from and where reports go."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import ray.train

from ctt_ray.config import RunConfig
from ctt_ray.placement import Placement
from ctt_ray.train.asks import Ask, Pace
from ctt_ray.train.background import repeated
from ctt_ray.train.preemption import NodeTaken, noticed
from ctt_ray.train.session import (
    BETWEEN,
    PREFIX,
    RESULTS,
    SCORE,
    STARTS,
    Interrupted,
    Metrics,
    Moved,
    parse_lines,
    resolve,
)
from ctt_ray.train.wishes import Wishes

LOOK_EVERY_S = 1.0  # for what is asked of the run


def train(loop_config: dict[str, Any]) -> None:
    """The train function of TorchTrainer. `config` is a RunConfig as plain data, `run` trains it: see session.resolve; the
    rest are RaySession's arguments."""
    session = RaySession(**loop_config["session"])
    try:
        with session.listening():
            resolve(loop_config["run"])(RunConfig.model_validate(loop_config["config"]), session)
    except Moved as left:
        raise NodeTaken(str(left)) from None
    except Interrupted:
        pass  # to Ray it would be a failure; launch sees how far the run came


class TakenOver(RuntimeError):
    """Other workers have this run now."""


class RaySession:
    """Every rank reports, for ray.train.report is a barrier: with its own files of the checkpoint, which Ray puts into one
    folder, if it has some; rank 0 writes RUN/result.jsonl and RUN/starts.jsonl.

    A line is written before its checkpoint and dropped on a resume from an earlier one, as in LocalSession.
    stop_file: a path that means `stop` as RUN/asked/stop does. Rank 0 looks for what is asked; a notice reaches every rank.
    """

    def __init__(
        self,
        stop_file: str | None = None,
        save_every_s: float = math.inf,
        placement: Placement = "auto",
        own_accelerators: bool = False,
    ) -> None:
        self.placement, self.own_accelerators = placement, own_accelerators
        self._stop_file = None if stop_file is None else Path(stop_file)
        context = ray.train.get_context()
        self.rank: int = context.get_world_rank()
        self.world: int = context.get_world_size()
        storage = context.get_storage()
        place = (storage.storage_filesystem, storage.experiment_fs_path)
        self._results, self._starts = ResultFile(*place, RESULTS), ResultFile(*place, STARTS)
        self._wishes = Wishes(*place)
        self._pace = Pace(save_every_s)
        self._wish = Ask.NOTHING
        self._saved = 0  # iteration of the newest checkpoint
        self._me = ""  # names this start of the workers
        self._copy: Path | None = None  # of the checkpoint that this start goes on from

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Look for what is asked while the block runs, from a thread: storage may be slow, and no step waits for it."""
        try:
            with repeated(self._look, every_s=LOOK_EVERY_S) if self.rank == 0 else nullcontext():
                yield
        finally:
            if self._copy is not None:
                shutil.rmtree(self._copy, ignore_errors=True)

    def _look(self) -> None:
        with suppress(OSError):  # storage has such moments; the next look finds it
            stop = self._stop_file is not None and self._stop_file.exists()
            self._wish = Ask.STOP if stop else self._wishes.highest()

    def asked(self) -> Ask:
        if noticed():
            return Ask.MOVE
        if self.rank > 0:
            return Ask.NOTHING
        return max(self._wish, Ask.SAVE if self._pace.due() else Ask.NOTHING)

    def resume_from(self) -> Path | None:
        checkpoint = ray.train.get_checkpoint()
        if checkpoint is not None:
            self._copy = Path(checkpoint.to_directory(tempfile.mkdtemp(prefix="ctt_resume_")))
        folder = self._copy
        self._saved = 0 if folder is None else json.loads((folder / "state.json").read_text())["iteration"]
        if self.rank == 0:
            self._me = uuid.uuid4().hex
            self._results.keep_until(self._saved)
            start: Metrics = {"iteration": self._saved, "workers": self.world, "time": time.time(), "by": self._me}
            self._starts.read()
            self._starts.add(start)
        return folder

    def report(self, metrics: Metrics, save: Callable[[Path], None] | None) -> None:
        if self.rank == 0:
            self._check_mine()
            self._results.add(metrics)
        self._hand_in(metrics, save, f"{PREFIX}{int(metrics['iteration']):08d}")

    def save(self, iteration: int, save: Callable[[Path], None] | None) -> None:
        if iteration != self._saved:
            if self.rank == 0:
                self._check_mine()
            self._hand_in({"iteration": iteration}, save, f"{PREFIX}{iteration:08d}{BETWEEN}")
        if self.rank == 0:
            with suppress(OSError):  # then it is saved once more
                self._wishes.drop(Ask.SAVE)
            self._wish = Ask.NOTHING if self._wish is Ask.SAVE else self._wish
        self._pace.saved()

    def _hand_in(self, metrics: Metrics, save: Callable[[Path], None] | None, name: str) -> None:
        checkpoint = None
        if save is not None:
            folder = Path(tempfile.mkdtemp(prefix="ctt_checkpoint_"))
            save(folder)
            checkpoint = ray.train.Checkpoint.from_directory(str(folder))
        ray.train.report(
            metrics, checkpoint=checkpoint, checkpoint_dir_name=name, delete_local_checkpoint_after_upload=True
        )
        self._saved = int(metrics["iteration"])
        self._pace.saved()

    def _check_mine(self) -> None:
        """A machine that the cluster has lost sight of may live on: its workers write nothing once others have begun."""
        newest = read_lines(*self._starts.place)[-1:]
        if self._me and newest and newest[0]["by"] != self._me:
            raise TakenOver("the cluster took these workers for dead; others have gone on with the run")


class ResultFile:
    """A small JSON-lines file on any storage that pyarrow reaches, rewritten whole since object stores cannot append."""

    def __init__(self, filesystem: Any, folder: str, name: str) -> None:
        self.place = filesystem, f"{folder}/{name}"
        self._lines: list[Metrics] = []

    def read(self) -> None:
        """Go on with what is there."""
        self._lines = read_lines(*self.place)

    def keep_until(self, iteration: int) -> None:
        """Read what is there and forget the lines beyond `iteration`."""
        self._lines = [line for line in read_lines(*self.place) if int(line["iteration"]) <= iteration]
        self._write()

    def add(self, metrics: Metrics) -> None:
        """After the last line, or in its place where a kill came between that line and its checkpoint."""
        if self._lines and self._lines[-1]["iteration"] == metrics["iteration"] and SCORE in metrics:
            self._lines.pop()
        self._lines.append(metrics)
        self._write()

    def _write(self) -> None:
        filesystem, path = self.place
        with filesystem.open_output_stream(path + ".part") as out:
            out.write("".join(json.dumps(line) + "\n" for line in self._lines).encode())
        filesystem.move(path + ".part", path)


def read_lines(filesystem: Any, path: str) -> list[Metrics]:
    try:
        with filesystem.open_input_stream(path) as source:
            return parse_lines(source.read().decode())
    except FileNotFoundError:
        return []
