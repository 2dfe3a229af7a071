"""A search with trials written by hand, and its confirmation with runs that compute a formula: python tiny_search.py
CAMPAIGN [--flags of confirm] [PAUSE=seconds a step in the environment]. A process of its own, so that it can be killed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from ctt_ray import cli
from ctt_ray.config import RunConfig, with_values
from ctt_ray.train.session import RESULTS, Interrupted, Metrics, Session
from ctt_ray.tune import confirm
from ctt_ray.tune import settings as settings_of
from ctt_ray.tune.folder import Folder, Issued, Outcome, write_text
from ctt_ray.tune.settings import Settings
from tune_spaces import Fidelity, Space, Trial

ITERATIONS, EVERY = 40, 10
POINTS = ({"lr": 0.01, "phi": 0.75}, {"lr": 0.1, "phi": 0.5})


def suggest(trial: Trial) -> dict[str, float]:
    return {"lr": trial.suggest_float("lr", 1e-4, 1.0, log=True), "phi": trial.suggest_float("phi", 0.0, 1.0)}


def make_search(root: Path, data: Path, split: str, scores: list[float], **values: object) -> tuple[Folder, Settings]:
    """A finished search: trial 0 is the defaults, trial n has lr 0.1 and phi n / 10."""
    space = Space("small", "", {"iterations": ITERATIONS, "report_every": EVERY}, suggest, POINTS, Fidelity(4, 1, 2))
    base = with_values(
        RunConfig(), {**space.base, "data": str(data), "labelled": "few", "eval_split": split, "seed": 4, **values}
    )
    settings = settings_of.settle(space, base, seed=4, trials=max(1, len(scores)))
    folder = Folder(root)
    settings_of.save(folder, settings)
    for number, score in enumerate(scores):
        params = POINTS[0] if number == 0 else {"lr": 0.1, "phi": number / 10}
        put(folder, settings, f"{number:04d}", params, score)
    return folder, settings


def put(folder: Folder, settings: Settings, id: str, params: dict[str, float], score: float) -> None:
    folder.issue(Issued(id, params, params, settings_of.applied(settings.base, params).hash()))
    write_text(folder.trial(id) / RESULTS, json.dumps({"iteration": ITERATIONS, "miou": score}) + "\n")
    folder.settle(id, Outcome("complete", ITERATIONS, score))


def formula(config: RunConfig) -> float:
    """phi decides, the seed moves all alike and a little each; supervised runs are 5 lower."""
    own = 0.1 * ((config.seed * 7 + int(10 * config.params.phi)) % 3)
    return 50 + 10 * config.params.phi + 3 * (config.seed % 4) + own - 5 * (config.method == "supervised")


def run(config: RunConfig, session: Session) -> Metrics:
    assert config.report.eval_split == os.environ.get("EXPECTED", config.report.eval_split)
    start = session.resume_from()
    at = 0 if start is None else int((start / "at").read_text())
    metrics: Metrics = {}
    while at < config.optim.iterations:
        at += 1
        time.sleep(float(os.environ.get("PAUSE", "0")))
        stop = session.asked().leaves
        if at % EVERY == 0 or stop:
            metrics = {"iteration": at, "seconds": 0.1 * at, "pid": os.getpid(), "config_hash": config.hash()}
            if at % EVERY == 0:
                metrics["miou"] = formula(config) * at / config.optim.iterations
            session.report(metrics, lambda place, at=at: (place / "at").write_text(str(at)))
        if stop:
            raise Interrupted("stopped")
    return metrics


if __name__ == "__main__":
    sys.exit(cli.guarded(lambda: confirm.main(sys.argv[1:], run=run)))
