"""A prepared set of painted scenes, small enough for runs of a few steps."""

from pathlib import Path
from typing import Any

import pytest

from ctt_ray.config import RunConfig, with_values

FEW = 6


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from data_prep.prepare import WriteOptions, prepare
    from data_prep.sources.scenes import Scenes
    from data_prep.splits import make_split

    folder = tmp_path_factory.mktemp("scenes")
    prepare(Scenes(size=48, train=24, val=4, seed=0).open(), WriteOptions(out=folder), lambda text: None)
    make_split(folder, str(FEW), name="few")
    return folder


@pytest.fixture
def tiny_config(scenes: Path) -> RunConfig:
    return with_values(RunConfig(), tiny_values(scenes))


def tiny_values(scenes: Path) -> dict[str, Any]:
    return {
        "data": str(scenes), "labelled": "few", "backbone": "mobilenet_v2", "width": 0.25, "feature_dim": 8, "crop": (32, 32),
        "batch_labelled": 2, "batch_unlabelled": 2, "iterations": 4, "report_every": 2, "lr": 0.01, "n_q": 2,
        "bank_gate": "present_classes", "mixer": "classmix", "ema_decay": 0.5,
    }  # fmt: skip
