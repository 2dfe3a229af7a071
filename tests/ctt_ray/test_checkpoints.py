"""Finding a checkpoint: every layout, the newest and the best, and never one that is cut short."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ctt_ray.checkpoints import find
from ctt_ray.config import ConfigError


def put(place: Path, iteration: int, miou: float | None = None) -> Path:
    """A checkpoint with two networks and nothing else that a finder reads."""
    place.mkdir(parents=True)
    for name in ("s0", "t0"):
        save_file({"a": torch.arange(5.0), "b": torch.zeros(2, 3)}, place / f"{name}.safetensors")
    metrics = {} if miou is None else {"miou": miou}
    plan = {"students": ["s0"], "teachers": ["t0"]}
    (place / "state.json").write_text(json.dumps({"iteration": iteration, "plan": plan, "extra": {"metrics": metrics}}))
    return place


@pytest.mark.parametrize("layout", ["checkpoints/{:08d}", "iteration_{:08d}"])
def test_newest_and_best_of_each_layout(tmp_path: Path, layout: str) -> None:
    for iteration, miou in ((100, 20.0), (900, 41.5), (1000, 40.0)):
        put(tmp_path / layout.format(iteration), iteration, miou)
    assert (find(tmp_path).iteration, find(tmp_path).miou) == (1000, 40.0)
    best = find(tmp_path, "best")
    assert (best.folder, best.iteration, best.miou) == (tmp_path / layout.format(900), 900, 41.5)


def test_a_checkpoint_itself_and_the_folder_of_checkpoints(tmp_path: Path) -> None:
    old, new = (put(tmp_path / "checkpoints" / f"{i:08d}", i, 1.0) for i in (2, 4))
    assert find(old).folder == old
    assert find(tmp_path / "checkpoints").folder == new
    assert find(str(new), "best").folder == new


def test_a_run_that_went_on_with_ray_is_found_at_its_newest(tmp_path: Path) -> None:
    put(tmp_path / "checkpoints" / "00000100", 100)
    put(tmp_path / "iteration_00000300", 300)
    assert find(tmp_path).iteration == 300


def test_of_equal_scores_the_newest_is_best(tmp_path: Path) -> None:
    for iteration, miou in ((100, 30.0), (200, 30.0), (300, None)):
        put(tmp_path / "checkpoints" / f"{iteration:08d}", iteration, miou)
    assert find(tmp_path, "best").iteration == 200
    assert find(tmp_path).iteration == 300


def cut_network(place: Path) -> None:
    path = place / "t0.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def cut_header(place: Path) -> None:
    path = place / "t0.safetensors"
    path.write_bytes(path.read_bytes()[:20])


def scribble(place: Path) -> None:
    (place / "s0.safetensors").write_bytes(b"\xff" * 64)


def drop_network(place: Path) -> None:
    (place / "s0.safetensors").unlink()


def cut_state(place: Path) -> None:
    path = place / "state.json"
    path.write_text(path.read_text()[:-9])


def drop_state(place: Path) -> None:
    (place / "state.json").unlink()


@pytest.mark.parametrize("damage", [cut_network, cut_header, scribble, drop_network, cut_state, drop_state])
def test_a_checkpoint_cut_short_is_passed_over(tmp_path: Path, damage) -> None:
    put(tmp_path / "iteration_00000100", 100, 10.0)
    damage(put(tmp_path / "iteration_00000200", 200, 90.0))
    assert find(tmp_path).iteration == 100
    assert find(tmp_path, "best").iteration == 100


def test_one_that_is_being_written_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "checkpoints" / "00000100", 100)
    put(tmp_path / "checkpoints" / "00000200.part", 200)
    assert find(tmp_path).iteration == 100


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    put(tmp_path / "runs" / "one" / "checkpoints" / "00000001", 1)
    put(tmp_path / "camp" / "trials" / "0003" / "checkpoints" / "00000001", 1)
    (tmp_path / "runs" / "fresh" / "checkpoints").mkdir(parents=True)
    for asked, message in {
        "runs/two": r"no run at .*two; there are: .*runs/one$",
        "nowhere/two": r"no run at .*two$",
        "runs": r"runs is not a run; there are: .*runs/one$",
        "camp": r"camp is not a run; there are: .*camp/trials/0003$",
        "camp/trials": r"trials is not a run; there are: .*camp/trials/0003$",
        "runs/fresh": r"holds no checkpoint yet; the first one comes with the run's first report",
    }.items():
        with pytest.raises(ConfigError, match=message):
            find(tmp_path / asked)
    with pytest.raises(ConfigError, match="copy the run"):
        find("s3://bucket/run")


def test_only_broken_ones_and_none_with_a_score_are_said(tmp_path: Path) -> None:
    place = put(tmp_path / "iteration_00000200", 200)
    with pytest.raises(ConfigError, match="carries a score; use --which last"):
        find(tmp_path, "best")
    cut_network(place)
    with pytest.raises(ConfigError, match=r"\(iteration_00000200 is cut short\); continue the run"):
        find(tmp_path)
