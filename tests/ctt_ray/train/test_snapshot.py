"""Ray Train's record of checkpoints: mended from whole checkpoints when a kill cut it, left alone otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ray.train.v2._internal.execution.checkpoint.checkpoint_manager import _CheckpointManagerState

from ctt_ray.train.snapshot import SNAPSHOT, mend


def tensors(payload: int) -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [payload], "data_offsets": [0, payload]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(payload)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three checkpoints, the last one half copied; scores 5, 9, 7."""
    lines = []
    for at, miou in ((10, 5.0), (20, 9.0), (30, 7.0)):
        place = tmp_path / f"iteration_{at:08d}"
        place.mkdir()
        (place / "student.safetensors").write_bytes(tensors(100))
        (place / "state.json").write_text(json.dumps({"iteration": at}))
        lines.append(json.dumps({"iteration": at, "miou": miou}) + "\n")
    (place / "student.safetensors").write_bytes(tensors(100)[:-40])
    (tmp_path / "result.jsonl").write_text("".join(lines))
    return tmp_path


def named(run: Path) -> tuple[list[str], str, list[int]]:
    """As Ray Train would read it."""
    state = _CheckpointManagerState.parse_obj(json.loads((run / SNAPSHOT).read_text()))
    assert state.latest_checkpoint_result is not None
    names = [result.checkpoint_dir_name for result in state.checkpoint_results]
    return names, state.latest_checkpoint_result.checkpoint_dir_name, state.checkpoint_report_indices


@pytest.mark.parametrize("left", ["", '{"ray_version": "2.60.0", "checkpoint_res', '{"checkpoint_results": 3}'])
def test_a_cut_record_names_the_whole_checkpoints_again(run: Path, left: str) -> None:
    (run / SNAPSHOT).write_text(left)
    assert mend(run)
    assert named(run) == (["iteration_00000010", "iteration_00000020"], "iteration_00000020", [0, 1])


def test_the_record_is_ordered_by_score_and_knows_the_latest(run: Path) -> None:
    (run / "iteration_00000030" / "student.safetensors").write_bytes(tensors(100))
    (run / SNAPSHOT).write_text("")
    assert mend(run)
    names, latest, order = named(run)
    assert [name[-2:] for name in names] == ["10", "30", "20"] and order == [0, 2, 1]
    assert latest == "iteration_00000030"


def test_a_checkpoint_with_a_file_missing_is_not_whole(run: Path) -> None:
    (run / "iteration_00000020" / "state.json").unlink()
    (run / SNAPSHOT).write_text("")
    assert mend(run)
    assert named(run)[1] == "iteration_00000010"


def test_a_record_that_names_a_lost_checkpoint_is_made_anew(run: Path) -> None:
    (run / SNAPSHOT).write_text(json.dumps({"checkpoint_results": [{"checkpoint_dir_name": "iteration_00000040"}]}))
    assert mend(run)
    assert named(run)[1] == "iteration_00000020"


def test_without_a_whole_checkpoint_the_run_starts_afresh(tmp_path: Path) -> None:
    (tmp_path / SNAPSHOT).write_text("")
    assert mend(tmp_path)
    assert not (tmp_path / SNAPSHOT).exists()


def test_a_readable_record_is_left_alone(run: Path) -> None:
    assert not mend(run)
    text = json.dumps({"checkpoint_results": [{"checkpoint_dir_name": "iteration_00000010"}]})
    (run / SNAPSHOT).write_text(text)
    assert not mend(run)
    assert (run / SNAPSHOT).read_text() == text
