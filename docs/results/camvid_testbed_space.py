"""The CamVid test bed of docs/results/2026-11-21_camvid.md: the nine parameters around a small network and short runs."""

from __future__ import annotations

from typing import Any

from tune_spaces import paper
from tune_spaces.space import Trial

NAME = "camvid_testbed"
BASE = {
    "data": "data/camvid180",  # python -m data_prep camvid --raw RAW --out data/camvid180 --short-side 180
    "labelled": "n11_s0",
    "method": "ctt",
    "backbone": "mobilenet_v2",  # give --set init=[FILE] for ImageNet weights
    "feature_dim": 64,
    "batch_labelled": 4,
    "batch_unlabelled": 4,
    "crop": (128, 128),
    "scale": (0.75, 1.5),
    "mixer": "cutmix",
    "bank_gate": "present_classes",
    "class_weight_power": 0.5,
    "iterations": 160,
    "eval_limit": 25,
}
PAPER = paper.DEFAULTS
SHORT = {**PAPER, "n_q": 32, "ema_step": 0.03, "lr": 5e-3}  # decay and rate moved to runs of a few hundred steps
POINTS = (PAPER, SHORT)
FIDELITY = {"reports": 4, "grace": 1, "reduction": 2}  # rungs at 40 and 80 steps
TRIALS = 12


def suggest(trial: Trial) -> dict[str, Any]:
    return paper.suggest(trial, lr=(1e-4, 2e-2), ema_step=(5e-3, 2e-1))
