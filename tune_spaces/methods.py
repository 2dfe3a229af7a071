"""Which method, each with its own parameters: nine methods on CamVid's setting in one search.

Left out: methods in rounds (self_training, dmt, dst_cbc), whom early stopping would judge while they know labels alone; the
other strategies of CTT's Table 5; and those with networks beside the student, whose weights span other ranges. All of them
are one file of your own away: docs/methods.md.
"""

from __future__ import annotations

from typing import Any

from tune_spaces import camvid, paper
from tune_spaces.space import Trial

NAME = "methods"
BASE = {key: value for key, value in camvid.BASE.items() if key not in ("method", "mixer")}
MIXER = {"ctt": camvid.BASE["mixer"], "mean_teacher": camvid.BASE["mixer"]}  # the others mix as their papers do

# What is searched of each method, at its own default (ema_step = 1 - ema_decay), beside the learning rate.
DEFAULTS: dict[str, dict[str, Any]] = {
    "ctt": {name: value for name, value in paper.DEFAULTS.items() if name != "lr"},
    "mean_teacher": {"lambda_ct": 1.0, "ema_step": 0.01},
    "supervised": {},
    "cutmix": {"lambda_ct": 1.0, "ema_step": 0.01, "ct_threshold": 0.97},
    "classmix": {"lambda_ct": 1.0, "ema_step": 0.01, "ct_threshold": 0.968},
    "cps": {"lambda_ct": 1.5},
    "fixmatch": {"lambda_ct": 0.5, "ct_threshold": 0.95},
    "unimatch": {"lambda_ct": 0.5, "ct_threshold": 0.95},
    "gta_seg": {"lambda_ct": 1.0, "ema_step": 0.001, "keep_share": 0.8},
}
POINTS = tuple({"method": name, **own, "lr": lr} for lr in (2.5e-4, 2.5e-3) for name, own in DEFAULTS.items())
FIDELITY = camvid.FIDELITY
TRIALS = 72


def suggest(trial: Trial) -> dict[str, Any]:
    method = trial.suggest_categorical("method", tuple(DEFAULTS))
    values = {"method": method, **paper.suggest(trial, reads=DEFAULTS[method])}
    if "ct_threshold" in DEFAULTS[method]:
        values["ct_threshold"] = trial.suggest_float("ct_threshold", 0.5, 0.99)
    if "keep_share" in DEFAULTS[method]:
        values["keep_share"] = trial.suggest_float("keep_share", 0.2, 1.0)
    return values | ({"mixer": MIXER[method]} if method in MIXER else {})
