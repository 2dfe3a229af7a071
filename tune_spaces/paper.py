"""The nine parameters of CTT with the paper's search ranges, shared by the spaces of the paper's data sets."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tune_spaces.space import Trial

# The paper's values where it states them, its released code's where it does not; ema_step = 1 - ema_decay.
DEFAULTS = {
    "lambda_ct": 1.0,
    "lambda_hc": 0.1,
    "lambda_lc": 0.1,
    "tau_hc": 0.1,
    "tau_lc": 0.5,
    "phi": 0.75,
    "n_q": 128,
    "ema_step": 0.01,
    "lr": 2.5e-4,
}


# What each method reads of them.
READS = {
    "supervised": ("lr",),
    "mean_teacher": ("lambda_ct", "ema_step", "lr"),
    "ctt": tuple(DEFAULTS),
}


def suggest(
    trial: Trial,
    *,
    lr: tuple[float, float] = (1e-4, 1e-2),
    ema_step: tuple[float, float] = (5e-4, 5e-2),
    reads: Collection[str] = READS["ctt"],
) -> dict[str, Any]:
    """The ranges of those that the method reads; lr and ema_step can be moved, for a run's length and batch decide
    where they belong."""
    values: dict[str, Any] = {}
    for name in ("lambda_ct", "lambda_hc", "lambda_lc"):
        if name in reads:
            values[name] = trial.suggest_float(name, 0.01, 10.0, log=True)
    for name in ("tau_hc", "tau_lc"):
        if name in reads:
            values[name] = trial.suggest_float(name, 0.05, 1.0, log=True)
    if "phi" in reads:
        values["phi"] = trial.suggest_float("phi", 0.5, 0.99)
    if "n_q" in reads:
        values["n_q"] = trial.suggest_categorical("n_q", (32, 64, 128, 256, 512))
    if "ema_step" in reads:
        # The distance from 1 is what matters and spans two powers of ten, so it is drawn and not the decay itself.
        values["ema_decay"] = round(1.0 - trial.suggest_float("ema_step", *ema_step, log=True), 9)
    values["lr"] = trial.suggest_float("lr", *lr, log=True)
    return values
