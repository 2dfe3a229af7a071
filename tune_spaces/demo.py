"""The built-in scenes on two CPU cores in a few minutes: a small network from random weights, short runs."""

from __future__ import annotations

from typing import Any

from tune_spaces import paper
from tune_spaces.space import Trial

NAME = "demo"
BASE = {
    "data": "",  # painted by the campaign itself
    "labelled": "n12_s0",
    "method": "ctt",
    "arch": "deeplabv3plus",
    "backbone": "resnet18",
    "width": 0.25,
    "init": ("none",),
    "output_stride": 16,
    "feature_dim": 32,
    "batch_labelled": 8,  # four made the scores of few labels twice as noisy
    "batch_unlabelled": 12,  # twelve close more of the gap to all labels than four
    "crop": (64, 64),
    "scale": (0.75, 1.5),
    "lr_head_factor": 1.0,  # nothing is pretrained, so the head has no reason to run ahead
    "class_weight_power": 0.5,
    "mixer": "cutmix",
    "colour_strength": 0.5,  # light, fog and fading change from scene to scene, and twelve scenes show few of them
    "hue_strength": 0.0,  # the hue is what tells the classes apart: a view that changes it harms
    "blur_p": 0.0,
    "ct_gate": "pixel",
    "ct_threshold": 0.7,
    "bank_gate": "present_classes",  # a short run does not see the rare class often enough to fill its queue
    "iterations": 300,
    "eval_mode": "whole",
    "eval_limit": 48,
}
SHORT = {**paper.DEFAULTS, "n_q": 32, "ema_step": 0.05, "lr": 0.1}  # the paper's but for what belongs to a run's length
POINTS = (SHORT, {**SHORT, "lambda_hc": 0.01, "lambda_lc": 0.01})
FIDELITY = {"reports": 4, "grace": 1, "reduction": 2}  # rungs at 75 and 150 steps
TRIALS = 8


def suggest(trial: Trial) -> dict[str, Any]:
    return paper.suggest(trial, lr=(1e-2, 3e-1), ema_step=(5e-3, 0.2))
