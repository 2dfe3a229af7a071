"""The table and the JSON say what the matrices say; checked on matrices counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ctt_ray import methods
from ctt_ray.config import RunConfig
from ctt_ray.evaluate.result import Result
from ctt_ray.restored import Checkpoint

CLASSES = ("sky", "road", "star", "boat")


def make_result(**matrices: list[list[int]]) -> Result:
    plan = methods.build("ctt", RunConfig().params.model_dump())
    palette = ((0, 0, 0),) * len(CLASSES)
    checkpoint = Checkpoint(Path("runs/a/checkpoints/04"), 4, RunConfig(), plan, CLASSES, palette, "abc", {})
    return Result(
        checkpoint=checkpoint,
        data="data/d",
        content_hash="abc",
        split="val",
        mode="whole",
        images=3,
        matrices={name: torch.tensor(matrix) for name, matrix in matrices.items()},
    )


@pytest.fixture
def result() -> Result:
    """s0 never says star or boat; t0 says boat once, where sky is."""
    return make_result(
        s0=[[6, 2, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        t0=[[7, 0, 0, 1], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
    )


def test_rows_are_classes_columns_networks_in_per_cent(result: Result) -> None:
    rows = {line.split("  ")[0]: line.split()[-2:] for line in result.lines() if line}
    assert rows["sky"] == ["75.00", "77.78"]  # 6/8, 7/9
    assert rows["road"] == ["50.00", "50.00"]  # 2/4, 1/2
    assert rows["star"] == ["-", "-"]
    assert rows["boat"] == ["-", "0.00"]
    assert rows["mIoU"] == ["62.50", "42.59"]  # over 2 classes, over 3
    assert rows["pixel accuracy"] == ["80.00", "80.00"]
    assert rows["IoU"] == rows["per cent"] == ["s0", "t0"]


def test_absent_classes_are_counted_and_named(result: Result) -> None:
    lines = result.lines()
    assert "data-set level, one confusion matrix, ignore=255, absent classes: 2" in lines
    assert lines[-2] == "- = in no truth and no prediction, left out of the mIoU: star, boat (s0)"
    assert lines[-1] == "in no truth but predicted, counted in the mIoU as 0: boat (t0)"


def test_nothing_is_noted_where_every_class_is_there() -> None:
    lines = make_result(s0=[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]).lines()
    assert lines[-1] == "data-set level, one confusion matrix, ignore=255, absent classes: 0"


def test_json_holds_the_same_and_no_nan(result: Result) -> None:
    found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert found["networks"]["s0"] == {
        "miou": 62.5,
        "accuracy": 80.0,
        "iou": {"sky": 75.0, "road": 50.0, "star": None, "boat": None},
    }
    assert found["networks"]["t0"]["iou"]["boat"] == 0.0
    assert found["absent"] == {"star": ["s0", "t0"], "boat": ["s0"]}
    assert found["only_predicted"] == {"boat": ["t0"]}
    assert (found["same_data_as_trained"], found["iteration"], found["images"]) == (True, 4, 3)


def test_a_split_of_void_alone_has_no_score(tmp_path: Path) -> None:
    result = make_result(s0=[[0] * 4] * 4)
    assert result.to_dict()["networks"]["s0"]["miou"] is None  # type: ignore[index]
    assert any(line.split() == ["mIoU", "-"] for line in result.lines())
