"""PASCAL VOC 2012 as in the CTT paper's Table 2: DeepLabV2 ResNet-101, 321 x 321 crops, 10 + 10 images, 80k steps."""

from __future__ import annotations

from typing import Any

from tune_spaces import paper
from tune_spaces.space import Trial

NAME = "voc"
BASE = {
    "data": "data/voc",
    "labelled": "1-8_s0",
    "method": "ctt",
    "arch": "deeplabv2",
    "backbone": "resnet101",
    "init": ("imagenet",),
    "output_stride": 8,
    "batch_labelled": 10,
    "batch_unlabelled": 10,
    "crop": (321, 321),
    "scale": (0.5, 1.6),
    "mixer": "none",
    "iterations": 80_000,
}
POINTS = (
    paper.DEFAULTS,
    {
        **paper.DEFAULTS,
        "lambda_hc": 0.01,
        "lambda_lc": 0.01,
    },  # almost cross teaching alone, Table 4's strongest single part
    {**paper.DEFAULTS, "n_q": 256, "lr": 1e-3},  # the released code's queue; a head start for the learning rate
)
FIDELITY = {"reports": 16, "grace": 1, "reduction": 4}  # rungs at 5,000 and 20,000 steps
TRIALS = 32


def suggest(trial: Trial) -> dict[str, Any]:
    return paper.suggest(trial)
