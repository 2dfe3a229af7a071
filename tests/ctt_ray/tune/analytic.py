"""A campaign whose runs compute a formula instead of training: python analytic.py FOLDER TRIALS [SECONDS A STEP].

Started by test_campaign.py as its own process, so that it can be killed and so that Ray is its alone. Trials 0003 (if
`broken` stands in the folder) raise or train something else than was sampled; with `twins` there, two trials are alike; with
`collapses`, the teacher of phi 0.25 says one class from iteration 20 on, and nothing else stops trials.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from ctt_ray import cli
from ctt_ray.config import RunConfig, with_values
from ctt_ray.engine.agreement import Agreement
from ctt_ray.train.alarm import alarms
from ctt_ray.train.asks import Ask
from ctt_ray.train.session import Interrupted, Metrics, Session
from ctt_ray.tune import budget
from ctt_ray.tune import settings as settings_of
from ctt_ray.tune.__main__ import report
from ctt_ray.tune.arguments import Plan
from ctt_ray.tune.campaign import Campaign, run_campaign
from ctt_ray.tune.capacity import Node, capacity
from ctt_ray.tune.data import Choice
from ctt_ray.tune.folder import Folder
from tune_spaces import Fidelity, Space, Trial

ITERATIONS, EVERY = 80, 10


def suggest(trial: Trial) -> dict[str, float]:
    return {"lr": trial.suggest_float("lr", 1e-4, 1.0, log=True), "phi": trial.suggest_float("phi", 0.0, 1.0)}


def main(root: Path, trials: int, pause: float) -> int:
    folder = Folder(root)
    points = TWINS if (root / "twins").exists() else POINTS
    space = Space("analytic", "", {"iterations": ITERATIONS, "report_every": EVERY}, suggest, points, Fidelity(8, 1, 2))
    broken, collapses = (root / "broken").exists(), (root / "collapses").exists()
    chosen = {"scheduler": "none", "stop_collapsed": True} if collapses else {}
    asked = settings_of.settle(space, with_values(RunConfig(), space.base), trials=trials, **chosen)

    def run(config: RunConfig, session: Session) -> Metrics:
        start = session.resume_from()
        at = 0 if start is None else json.loads((start / "state.json").read_text())["iteration"]
        agreement = Agreement()
        metrics: Metrics = {}
        before: Metrics = {}
        while at < config.optim.iterations:
            at += 1
            time.sleep(pause)
            stop = Ask(*agreement(session.asked())).leaves  # all workers after the same step
            if broken and config.params.phi == 0.25:
                raise ValueError("boom")
            if at % EVERY == 0 or stop:
                metrics = {"iteration": at, "seconds": at * pause, "pid": os.getpid(), "config_hash": config.hash()}
                if broken and config.params.phi == 0.5:
                    metrics["config_hash"] = RunConfig().hash()
                if at % EVERY == 0:
                    metrics["miou"] = 60 * (1 - math.exp(-at / 30)) - 4 * abs(math.log10(config.optim.lr) + 2)
                    if collapses and config.params.phi == 0.25 and at >= 20:
                        metrics |= {"miou": 3.0, "labels/top_share": 0.6, "pseudo/top_share/t0": 0.999}
                        metrics |= alarms(before, metrics)
                    before = metrics
                session.report(
                    metrics, lambda place, at=at: (place / "state.json").write_text(json.dumps({"iteration": at}))
                )
            if stop:
                raise Interrupted("stopped")
        return metrics

    workers = int(os.environ.get("ANALYTIC_WORKERS", "1"))
    room = capacity([Node(2)], trials=trials, workers=workers, concurrent=2)
    with folder.lock():
        settings_of.save(folder, asked)
        address = os.environ.get("ANALYTIC_ADDRESS", "local")
        campaign = Campaign(folder, space, asked, room, Node(2), address, workers, run=run)
        allowed = budget.parse(os.environ.get("ANALYTIC_BUDGET", ""))
        records = run_campaign(replace(campaign, budget=allowed))
    return report(Plan(folder, Choice(space, "", "all"), asked, "", ""), records, as_json=True)


TWINS = ({"lr": 0.01, "phi": 0.75}, {"lr": 0.01, "phi": 0.25})
POINTS = ({"lr": 0.01, "phi": 0.75}, {"lr": 0.02, "phi": 0.25}, {"lr": 0.1, "phi": 0.5})

if __name__ == "__main__":
    where, count, *rest = sys.argv[1:]
    sys.exit(cli.guarded(lambda: main(Path(where), int(count), float(rest[0]) if rest else 0.0)))
