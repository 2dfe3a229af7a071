"""CamVid, 367 training images of 480 x 360 and 11 classes: small enough for one GPU and an afternoon."""

from __future__ import annotations

from typing import Any

from tune_spaces import paper
from tune_spaces.space import Trial

NAME = "camvid"
BASE = {
    "data": "data/camvid",
    "labelled": "1-8_s0",
    "method": "ctt",
    "arch": "deeplabv3plus",
    "backbone": "resnet50",
    "init": ("imagenet",),
    "batch_labelled": 4,
    "batch_unlabelled": 4,
    "crop": (256, 256),
    "scale": (0.75, 1.5),
    "mixer": "classmix",
    "bank_gate": "present_classes",  # few labelled images: a rare class may never fill its queue
    "iterations": 16_000,
}
POINTS = (
    paper.DEFAULTS,
    {**paper.DEFAULTS, "lr": 2.5e-3},
    {**paper.DEFAULTS, "lambda_hc": 0.01, "lambda_lc": 0.01, "lr": 2.5e-3},  # almost cross teaching alone
)
FIDELITY = {"reports": 16, "grace": 1, "reduction": 4}  # rungs at 1,000 and 4,000 steps
TRIALS = 24


def suggest(trial: Trial) -> dict[str, Any]:
    return paper.suggest(trial)
