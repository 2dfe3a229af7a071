"""Runs that are killed for real (SIGKILL) and go on by the same command see each step's samples as if nothing had been."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from elastic.play import Note, Play, taken
from safetensors.torch import load_file
from torture import processes

from ctt_ray import cli
from ctt_ray.checkpoints import find
from ctt_ray.config import RunConfig, with_values
from ctt_ray.train.session import WAIT, read_results
from data_prep.prepare import WriteOptions, prepare
from data_prep.sources.scenes import Scenes
from data_prep.splits import make_split

COMMAND, SUBJECT = Path(__file__).with_name("command.py"), Path(__file__).with_name("subject.py")
STEPS, EVERY = 24, 6
LABELLED, UNLABELLED = 5, 3  # neither is a multiple of 2, and 5 none of 3
SEED = 20261122
PATIENCE_S = 240.0


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    data = tmp_path_factory.mktemp("killed") / "scenes"
    prepare(Scenes(size=48, train=24, val=4, seed=0).open(), WriteOptions(out=data), lambda text: None)
    make_split(data, "7", name="few")
    return {
        "data": str(data), "labelled": "few", "backbone": "mobilenet_v2", "width": 0.25, "feature_dim": 8, "crop": (32, 32),
        "batch_labelled": LABELLED, "batch_unlabelled": UNLABELLED, "iterations": STEPS, "report_every": EVERY,
        "eval_limit": 1, "bank_gate": "present_classes", "n_q": 2, "lr": 0.01,
    }  # fmt: skip


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Short: Ray's sockets lie under it."""
    folder = Path(tempfile.mkdtemp(prefix="tk_"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def written(values: dict[str, Any], path: Path, **more: Any) -> Path:
    path.write_text(cli.to_yaml(with_values(RunConfig(), {**values, **more})))
    return path


class Killed:
    """One run under one name: started again and again, and killed."""

    def __init__(self, root: Path, scratch: Path) -> None:
        self.play = Play(root, root, "", 0)  # reads a run's notes
        self._scratch, self._rng = scratch, random.Random(SEED)

    def start(self, *command: object) -> subprocess.Popen[str]:
        self.play.root.mkdir(exist_ok=True)
        return processes.start(list(map(str, command)), scratch=self._scratch, log=self.play.root / "run.log")

    def kill_after(self, step: int, *command: object, only: tuple[str, ...] = ()) -> None:
        """SIGKILL of everything that the command started, at a random moment after a step was done anew; with `only` of one
        process with such a title, after which the command goes on to its end by itself."""
        process, before = self.start(*command), time.time()
        self._until(process, lambda: any(n["iteration"] >= step and n["time"] > before for n in self.play.notes()))
        time.sleep(self._rng.uniform(0.0, 0.3))
        assert process.poll() is None, f"the run ended before it could be killed\n{self.play.log()}"
        family = processes.family(process.pid)
        victims = processes.titled(family, *only)[:1] if only else family
        assert victims, "nothing was killed"
        processes.kill(victims)
        processes.gone(victims, 10)
        if only:
            assert process.wait(timeout=PATIENCE_S) == cli.DONE, self.play.log()
        process.wait(timeout=10)

    def finish(self, *command: object) -> None:
        assert self.start(*command).wait(timeout=PATIENCE_S) == cli.DONE, self.play.log()

    def _until(self, process: subprocess.Popen[str], true: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not true() and process.poll() is None:
            assert time.monotonic() < end, f"the step was not done within {PATIENCE_S:g} s\n{self.play.log()}"
            time.sleep(0.02)

    def by_step(self) -> dict[int, list[list[Any]]]:
        """Iteration → what each start that did it took for it. A plain process has a file of notes a start, no list."""
        paths = self.play.run.glob("steps/*.jsonl")
        starts: list[Note] = self.play.starts() or [{"time": int(p.name.partition("_")[0]) / 1e9} for p in paths]
        return taken(self.play.notes(), sorted(starts, key=lambda start: float(start["time"])), "samples")

    def networks(self) -> dict[str, torch.Tensor]:
        folder = find(self.play.run).folder
        return {f"{p.stem}.{k}": v for p in sorted(folder.glob("*.safetensors")) for k, v in load_file(p).items()}

    def lines(self) -> list[dict[str, Any]]:
        """The reports without times."""
        times = dict.fromkeys(("seconds", WAIT, "config_hash"), 0)
        return [{**line, **times} for line in read_results(self.play.run)]


def assert_same_samples(killed: Killed, whole: Killed, *, again: int) -> None:
    """Every start took of every step what the uninterrupted run took; of the step that a kill fell into some workers' notes may
    be missing, but the last to do a step has it whole. `again`: so many steps were done twice at least."""
    expected, found = whole.by_step(), killed.by_step()
    assert sorted(expected) == sorted(found) == list(range(1, STEPS + 1))
    for step, (samples,) in expected.items():
        numbers = [(half, number) for half, number, *_ in samples]
        assert numbers == [(0, n) for n in range((step - 1) * LABELLED, step * LABELLED)] + [
            (1, n) for n in range((step - 1) * UNLABELLED, step * UNLABELLED)
        ]
        assert found[step][-1] == samples, f"step {step}"
        for early in found[step][:-1]:
            assert all(sample in samples for sample in early), f"step {step}"
    assert sum(len(starts) - 1 for starts in found.values()) >= again, "too little was done twice to prove anything"


def assert_same_networks(one: Killed, other: Killed) -> None:
    a, b = one.networks(), other.networks()
    assert a and a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


def test_a_plain_process_killed_three_times(values: dict[str, Any], tmp_path: Path, scratch: Path) -> None:
    """With another number of loader processes at each start: the same samples, pixels and weights, and the same reports."""

    def command(killed: Killed, loaders: int) -> list[object]:
        root = killed.play.root
        config = written(values, tmp_path / f"{loaders}.yaml", loaders=loaders)
        return [COMMAND, root / "run" / "steps", "--config", config, "--storage", root, "--name", "run"]

    whole, killed = Killed(tmp_path / "whole", scratch), Killed(tmp_path / "killed", scratch)
    whole.finish(*command(whole, 0))
    for step, loaders in ((4, 0), (10, 1), (17, 2)):
        killed.kill_after(step, *command(killed, loaders))
    killed.finish(*command(killed, 0))
    assert_same_samples(killed, whole, again=3)
    assert_same_networks(killed, whole)
    assert killed.lines() == whole.lines() and len(killed.lines()) == STEPS // EVERY


@pytest.mark.ray
@pytest.mark.slow
def test_ray_train_killed_and_resized(values: dict[str, Any], tmp_path: Path, scratch: Path) -> None:
    """Two workers: one of them is killed, then everything; the weights are those of two workers left alone, bit for bit.
    Two workers, then one, then three, all killed, then two again: the samples are the same ones."""

    def command(killed: Killed, workers: int) -> list[object]:
        config = written(values, tmp_path / "config.yaml")
        return [SUBJECT, config, killed.play.root, "run", "local", workers, 10]

    whole, same, resized = (Killed(tmp_path / name, scratch) for name in ("whole", "same", "resized"))
    whole.finish(*command(whole, 2))
    same.kill_after(4, *command(same, 2))
    same.kill_after(9, *command(same, 2), only=("ray::RayTrainWorker", "ray::TrainWorker"))
    assert_same_samples(same, whole, again=3)
    assert_same_networks(same, whole)
    for step, workers in ((4, 2), (10, 1), (16, 3)):
        resized.kill_after(step, *command(resized, workers))
    resized.finish(*command(resized, 2))
    assert [start["workers"] for start in resized.play.starts()] == [2, 1, 3, 2]
    assert_same_samples(resized, whole, again=3)
