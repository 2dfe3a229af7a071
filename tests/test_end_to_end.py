"""The whole way in one process: scenes → shards → training → scores → masks; what one room says the next one finds."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_scenes import make_scenes

from ctt_ray.evaluate.__main__ import main as evaluate
from ctt_ray.maths import metrics
from ctt_ray.predict.__main__ import main as predict
from ctt_ray.stream import EvalSet
from ctt_ray.train.__main__ import main as train
from ctt_ray.train.session import read_results

TRAIN = [
    "--workers", "0", "--name", "run", "--labelled", "few", "--backbone", "mobilenet_v2", "--width", "0.25",
    "--feature-dim", "8", "--crop", "32", "32", "--batch-labelled", "2", "--batch-unlabelled", "2",
    "--iterations", "4", "--report-every", "2", "--lr", "0.01", "--n-q", "4", "--json",
]  # fmt: skip


def test_scenes_train_evaluate_predict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_scenes(tmp_path / "scenes", train=8, val=4)
    run = tmp_path / "runs" / "run"
    assert train([*TRAIN, "--data", str(data), "--storage", str(run.parent)]) == 0
    trained = json.loads(capsys.readouterr().out)
    assert [line["iteration"] for line in read_results(run)] == [2, 4]

    assert evaluate([str(run), "--split", "val", "--json"]) == 0
    scored = json.loads(capsys.readouterr().out)
    assert (scored["iteration"], scored["images"], scored["same_data_as_trained"]) == (4, 4, True)
    for name in ("s0", "s1", "t0", "t1", "ensemble"):
        assert scored["networks"][name]["miou"] == trained[f"miou/{name}"], "the score here is the score in training"

    photos = tmp_path / "photos"
    photos.mkdir()
    truth = {}
    for name, image_13HW, label_1HW in EvalSet(data, "val"):
        Image.fromarray(image_13HW[0].permute(1, 2, 0).numpy()).save(photos / f"{name}.png")
        truth[name] = label_1HW
    assert predict([str(run), str(photos), "--out", str(tmp_path / "out"), "--network", "t1"]) == 0
    matrix_KK = torch.zeros(10, 10, dtype=torch.int64)
    for name, label_1HW in truth.items():
        mask = np.asarray(Image.open(tmp_path / "out" / "masks" / f"{name}.png"))
        metrics.confusion_(matrix_KK, torch.from_numpy(mask.copy())[None], label_1HW)
    assert 100 * float(metrics.mean_iou(matrix_KK)) == scored["networks"]["t1"]["miou"], "masks are what was scored"
