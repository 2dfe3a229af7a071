"""The CamVid test bed of docs/results/2026-11-21_camvid.md: the nine parameters around a small network and short runs."""

from __future__ import annotations

from typing import Any

from tune_spaces import paper
from tune_spaces.space import Trial

NAME = "camvid_testbed"
BASE = {
    "data": "data/camvid180",
    "labelled": "n11_s0",
    "method": "ctt",
    "backbone": "mobilenet_v2",
    "feature_dim": 64,
    "batch_labelled": 4,
    "batch_unlabelled": 4,
    "crop": (112, 112),
    "scale": (0.75, 1.5),
    "mixer": "cutmix",
    "ct_gate": "batch_fraction",
    "ct_threshold": 0.8,
    "bank_gate": "present_classes",
    "class_weight_power": 0.5,
    "iterations": 200,
    "eval_limit": 25,
}
PAPER = paper.DEFAULTS
SHORT = {**PAPER, "n_q": 32, "ema_step": 0.03, "lr": 5e-3}  # decay and rate moved to runs of a few hundred steps
POINTS = (PAPER, SHORT)
FIDELITY = {"reports": 4, "grace": 1, "reduction": 2}  # rungs at 50 and 100 steps


def suggest(trial: Trial) -> dict[str, Any]:
    return paper.suggest(trial, lr=(1e-4, 2e-2), ema_step=(5e-3, 2e-1))
