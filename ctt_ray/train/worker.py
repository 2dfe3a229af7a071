"""What a Ray Train worker runs: the loop, with Ray's answers to where to resume from and where reports go."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray.train
from ray.train.collective import broadcast_from_rank_zero

from ctt_ray.config import RunConfig
from ctt_ray.placement import Placement
from ctt_ray.train.session import RESULTS, Interrupted, Metrics, parse_lines, resolve


def train(loop_config: dict[str, Any]) -> None:
    """The train function of TorchTrainer. `config` is a RunConfig as plain data, `run` trains it: see session.resolve; the
    rest are RaySession's arguments."""
    session = RaySession(**loop_config["session"])
    with contextlib.suppress(Interrupted):  # to Ray it would be a failure; launch sees how far the run came
        resolve(loop_config["run"])(RunConfig.model_validate(loop_config["config"]), session)


class RaySession:
    """Every rank reports, for ray.train.report is a barrier: with its own files of the checkpoint, which Ray puts into one
    folder, if it has some; rank 0 writes RUN/result.jsonl.

    A line is written before its checkpoint and dropped on a resume from an earlier one, as in LocalSession.
    stop_file: rank 0 looks for it at each report and tells the others, so that all leave after the same step.
    """

    def __init__(
        self, stop_file: str | None = None, placement: Placement = "auto", own_accelerators: bool = False
    ) -> None:
        self.placement, self.own_accelerators = placement, own_accelerators
        self._stop_file = None if stop_file is None else Path(stop_file)
        self._stopping = False
        context = ray.train.get_context()
        self.rank: int = context.get_world_rank()
        self.world: int = context.get_world_size()
        storage = context.get_storage()
        self._results = ResultFile(storage.storage_filesystem, f"{storage.experiment_fs_path}/{RESULTS}")

    def resume_from(self) -> Path | None:
        checkpoint = ray.train.get_checkpoint()
        folder = None if checkpoint is None else Path(checkpoint.to_directory(tempfile.mkdtemp(prefix="ctt_resume_")))
        if self.rank == 0:
            last = 0 if folder is None else json.loads((folder / "state.json").read_text())["iteration"]
            self._results.keep_until(last)
        return folder

    def report(self, metrics: Metrics, save: Callable[[Path], None] | None) -> None:
        checkpoint = None
        if self.rank == 0:
            self._results.add(metrics)
        if save is not None:
            folder = Path(tempfile.mkdtemp(prefix="ctt_checkpoint_"))
            save(folder)
            checkpoint = ray.train.Checkpoint.from_directory(str(folder))
        ray.train.report(
            metrics,
            checkpoint=checkpoint,
            checkpoint_dir_name=f"iteration_{int(metrics['iteration']):08d}",
            delete_local_checkpoint_after_upload=True,
        )
        if self._stop_file is not None:
            self._stopping = broadcast_from_rank_zero(self.rank == 0 and self._stop_file.exists())

    def stopping(self) -> bool:
        return self._stopping


class ResultFile:
    """A small JSON-lines file on any storage that pyarrow reaches, rewritten whole since object stores cannot append."""

    def __init__(self, filesystem: Any, path: str) -> None:
        self._fs, self._path = filesystem, path
        self._lines: list[Metrics] = []

    def keep_until(self, iteration: int) -> None:
        """Read what is there and forget the lines beyond `iteration`."""
        self._lines = [line for line in read_lines(self._fs, self._path) if int(line["iteration"]) <= iteration]
        self._write()

    def add(self, metrics: Metrics) -> None:
        self._lines.append(metrics)
        self._write()

    def _write(self) -> None:
        beside = self._path + ".part"
        with self._fs.open_output_stream(beside) as out:
            out.write("".join(json.dumps(line) + "\n" for line in self._lines).encode())
        self._fs.move(beside, self._path)


def read_lines(filesystem: Any, path: str) -> list[Metrics]:
    try:
        with filesystem.open_input_stream(path) as source:
            return parse_lines(source.read().decode())
    except FileNotFoundError:
        return []
