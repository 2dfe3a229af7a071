"""Which method, each with its own parameters: supervised, mean teacher and CTT on CamVid's setting in one search."""

from __future__ import annotations

from typing import Any

from tune_spaces import camvid, paper
from tune_spaces.space import Trial

NAME = "methods"
BASE = {key: value for key, value in camvid.BASE.items() if key != "method"}
_TEACHER = {"lambda_ct": paper.DEFAULTS["lambda_ct"], "ema_step": paper.DEFAULTS["ema_step"]}
POINTS = (
    {**paper.DEFAULTS, "method": "ctt"},
    {**_TEACHER, "method": "mean_teacher", "lr": paper.DEFAULTS["lr"]},
    {"method": "supervised", "lr": paper.DEFAULTS["lr"]},
    {**paper.DEFAULTS, "method": "ctt", "lr": 2.5e-3},
    {**_TEACHER, "method": "mean_teacher", "lr": 2.5e-3},
    {"method": "supervised", "lr": 2.5e-3},
)
FIDELITY = camvid.FIDELITY
TRIALS = 48


def suggest(trial: Trial) -> dict[str, Any]:
    method = trial.suggest_categorical("method", ("supervised", "mean_teacher", "ctt"))
    return {"method": method, **paper.suggest(trial, reads=paper.READS[method])}
