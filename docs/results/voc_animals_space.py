"""The VOC animals test bed of docs/results/2026-11-21_voc_animals.md: which method, and its losses, around short runs."""

from __future__ import annotations

from typing import Any

from tune_spaces import paper
from tune_spaces.space import Trial

NAME = "voc_animals"
BASE = {
    "data": "data/voc_animals",
    "labelled": "n37_s0",
    "backbone": "mobilenet_v2",  # give --set init=[FILE] for ImageNet weights
    "feature_dim": 64,
    "batch_labelled": 8,
    "batch_unlabelled": 4,
    "crop": (112, 112),
    "scale": (0.75, 1.5),
    "mixer": "cutmix",
    "colour_strength": 0.0,
    "blur_p": 0.0,
    "bank_gate": "present_classes",
    "ct_gate": "pixel",
    "iterations": 300,
    "eval_split": "val:0/2",  # the other half is for confirm
    "eval_limit": 100,
}
# The paper's values but for what belongs to a run of hundreds of steps: queue, decay, learning rate.
SHORT = {**paper.DEFAULTS, "n_q": 32, "ema_step": 0.03, "lr": 3e-3}
POINTS = (
    {**SHORT, "method": "ctt", "ct_threshold": 0.5},
    {"method": "mean_teacher", "lambda_ct": 1.0, "ema_step": 0.03, "lr": 3e-3, "ct_threshold": 0.9},
    {"method": "supervised", "lr": 3e-3},
    {**SHORT, "method": "ctt", "lambda_ct": 0.2, "lambda_hc": 0.01, "lambda_lc": 0.01, "ct_threshold": 0.95},
)
FIDELITY = {"reports": 4, "grace": 1, "reduction": 2}  # rungs at 75 and 150 steps
TRIALS = 24


def suggest(trial: Trial) -> dict[str, Any]:
    method = trial.suggest_categorical("method", ("supervised", "mean_teacher", "ctt"))
    values = {
        "method": method,
        **paper.suggest(trial, lr=(5e-4, 2e-2), ema_step=(5e-3, 2e-1), reads=paper.READS[method]),
    }
    if method != "supervised":
        values["ct_threshold"] = trial.suggest_float("ct_threshold", 0.5, 0.99)
    return values
