"""The built-in scenes on two CPU cores in a few minutes: a small network from random weights, short runs."""

from __future__ import annotations

from typing import Any

from tune_spaces import paper
from tune_spaces.space import Trial

NAME = "demo"
BASE = {
    "data": "",  # painted by the campaign itself
    "labelled": "n24_s0",
    "method": "ctt",
    "arch": "deeplabv3plus",
    "backbone": "resnet18",
    "width": 0.25,
    "init": ("none",),
    "output_stride": 8,
    "feature_dim": 32,
    "batch_labelled": 4,
    "batch_unlabelled": 4,
    "crop": (64, 64),
    "scale": (0.75, 1.5),
    "mixer": "classmix",
    "eval_mode": "whole",
    "eval_limit": 24,
    "bank_gate": "present_classes",  # a short run does not see the rare class often enough to fill its queue
    "iterations": 160,
}
SHORT = {
    **paper.DEFAULTS,
    "ema_step": 0.05,
    "lr": 0.02,
}  # the paper's values; decay and rate moved to this run's length
POINTS = (SHORT, {**SHORT, "lambda_hc": 0.01, "lambda_lc": 0.01})
FIDELITY = {"reports": 4, "grace": 1, "reduction": 2}  # rungs at 40 and 80 steps
TRIALS = 8


def suggest(trial: Trial) -> dict[str, Any]:
    return paper.suggest(trial, lr=(2e-3, 1e-1), ema_step=(5e-3, 0.2))
