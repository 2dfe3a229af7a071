"""Ray around the loop changes nothing: one worker is the plain process bit for bit, killed or not; two share its batch."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ctt_ray.checkpoints import find
from ctt_ray.config import RunConfig, with_values
from ctt_ray.train.asks import Ask
from ctt_ray.train.launch import cluster, launch
from ctt_ray.train.loop import run
from ctt_ray.train.session import Interrupted, LocalSession, read_results
from ctt_ray.train.wishes import Wishes

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def two_cpus() -> Iterator[None]:
    with cluster("local", cpus=2):
        yield


def descendants(of: int) -> dict[int, str]:
    """pid → command line of every process below `of`: what a test may kill is what it started."""
    parent: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    found: dict[int, str] = {}
    for pid in parent:
        above: int | None = pid
        while above is not None and above != of:
            above = parent.get(above)
        if above == of and pid != of:
            try:
                found[pid] = (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
    return found


def networks(folder: Path) -> dict[str, torch.Tensor]:
    return {
        f"{path.stem}.{key}": value
        for path in sorted(folder.glob("*.safetensors"))
        for key, value in load_file(path).items()
    }


def last(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[-1]


def kill_a_worker_after(folder: Path, reports: int, killed: list[int]) -> None:
    """SIGKILL one Train worker of this test's cluster once the run has reported `reports` times."""
    for _ in range(1200):
        if len(read_results(folder)) >= reports:
            break
        time.sleep(0.05)
    for pid, command in descendants(os.getpid()).items():
        if "RayTrainWorker" in command or "TrainWorker" in command:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
            return


def test_one_worker_killed_and_resumed_equals_the_plain_process(
    two_cpus: None, tiny_config: RunConfig, tmp_path: Path
) -> None:
    """SIGKILL of the worker after its third report; the run goes on by itself to bitwise the same networks and banks."""
    config = with_values(tiny_config, {"iterations": 24, "report_every": 2, "eval_limit": 1})
    run(config, LocalSession(tmp_path / "plain"))
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker_after, args=(tmp_path / "ray", 3, killed))
    killer.start()
    metrics = launch(config, storage=str(tmp_path), name="ray", workers=1)
    killer.join()
    assert len(killed) == 1, "no worker was killed, so nothing was tested"
    plain = networks(last(tmp_path / "plain" / "checkpoints", "*"))
    under_ray = networks(last(tmp_path / "ray", "iteration_*"))
    assert plain.keys() == under_ray.keys()
    for name, tensor in plain.items():
        assert torch.equal(tensor, under_ray[name]), name
    assert [line["iteration"] for line in read_results(tmp_path / "ray")] == list(range(2, 25, 2))
    assert metrics["miou"] == read_results(tmp_path / "plain")[-1]["miou"]

    again = launch(config, storage=str(tmp_path), name="ray", workers=1)
    assert again["iteration"] == 24, "the same name finds the finished run"
    assert len(read_results(tmp_path / "ray")) == 12


def test_workers_save_and_leave_when_they_are_asked(two_cpus: None, tiny_config: RunConfig, tmp_path: Path) -> None:
    """Two workers, asked by files as a signal to the command asks them."""
    config = with_values(tiny_config, {"iterations": 100_000, "report_every": 50_000})
    wishes = Wishes.at(str(tmp_path), "run")

    def ask() -> None:
        until(lambda: bool(list((tmp_path / "run").glob("starts.jsonl"))))
        wishes.put(Ask.SAVE)
        until(lambda: not wishes.there(Ask.SAVE))
        wishes.put(Ask.STOP)

    asking = threading.Thread(target=ask)
    asking.start()
    with pytest.raises(Interrupted, match=r"stopped at iteration \d+, saved"):
        launch(config, storage=str(tmp_path), name="run", workers=2)
    asking.join()
    found = find(tmp_path / "run")
    assert found.folder.name.endswith("_kept") and found.miou is None
    assert not read_results(tmp_path / "run")


def until(true: Callable[[], bool]) -> None:
    for _ in range(1200):
        if true():
            return
        time.sleep(0.1)
    pytest.fail("waited for two minutes")


def test_two_workers_take_the_steps_of_one_with_the_same_global_batch(
    two_cpus: None, tiny_config: RunConfig, tmp_path: Path
) -> None:
    """Stream, Ray and DDP together: every parameter, momentum and bank row agrees with the single process.

    With contrast on, and where the tolerance comes from: tests/ctt_ray/engine/test_layouts.py.
    """
    values = {"freeze_bn": True, "dropout": 0.0, "mixer": "none", "n_q": 1, "iterations": 3, "report_every": 3}
    config = with_values(tiny_config, {**values, "batch_labelled": 4, "batch_unlabelled": 4, "phi": 0.3})
    run(with_values(config, {"iterations": 3}), LocalSession(tmp_path / "one"))
    launch(config, storage=str(tmp_path), name="two", workers=2)
    one, two = networks(last(tmp_path / "one" / "checkpoints", "*")), networks(last(tmp_path / "two", "iteration_*"))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        if not tensor.is_floating_point():
            assert torch.equal(tensor, two[name]), name
            continue
        gap = (tensor - two[name]).abs().max()
        assert gap <= 1e-4 * tensor.abs().max().clamp(min=1e-3), f"{name}: {gap} of {tensor.abs().max()}"


def test_a_run_spread_over_workers_goes_on_in_one_bit_for_bit(
    two_cpus: None, tiny_config: RunConfig, tmp_path: Path
) -> None:
    """A pair a worker for the first part, everything in one worker for the second: the plain process's networks, momenta, banks
    and scores. Nothing is switched off; Ray puts both workers' files into one checkpoint."""
    config = with_values(tiny_config, {"iterations": 40, "report_every": 10, "eval_limit": 2})
    run(config, LocalSession(tmp_path / "plain"))
    stop = tmp_path / "stop"

    def ask() -> None:
        until(lambda: bool(read_results(tmp_path / "ray")))
        stop.touch()

    asking = threading.Thread(target=ask)
    asking.start()
    with pytest.raises(Interrupted):
        launch(config, storage=str(tmp_path), name="ray", workers=2, placement="spread", stop_file=stop)
    asking.join()
    half = networks(last(tmp_path / "ray", "iteration_*"))
    assert 0 < len(read_results(tmp_path / "ray")) < 4
    launch(config, storage=str(tmp_path), name="ray", workers=1)
    plain, under_ray = (
        networks(last(tmp_path / "plain" / "checkpoints", "*")),
        networks(last(tmp_path / "ray", "iteration_*")),
    )
    assert plain.keys() == under_ray.keys() == half.keys()
    for name, tensor in plain.items():
        assert torch.equal(tensor, under_ray[name]), name
    expected, found = (
        {
            (line["iteration"], key): line[key]
            for line in read_results(tmp_path / name)
            for key in line
            if key.startswith("miou")
        }
        for name in ("plain", "ray")
    )
    assert found.items() <= expected.items() and {(40, "miou"), (40, "miou/ensemble"), (40, "miou/t1")} <= found.keys()
