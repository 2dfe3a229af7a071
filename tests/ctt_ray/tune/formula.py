"""The campaign's own command with runs that are a formula: python formula.py ARGUMENTS OF ctt_ray.tune.

Started by test_spaces_run.py and test_recipe_run.py as a process of its own. No images are painted; a run's score follows
from its method. [PAUSE=seconds a report in the environment]
"""

from __future__ import annotations

import functools
import os
import sys
import time

from ctt_ray.config import RunConfig
from ctt_ray.train.session import Metrics, Session
from ctt_ray.tune import __main__ as command
from ctt_ray.tune import campaign, data

WORTH = {"supervised": 10.0, "mean_teacher": 20.0, "ctt": 30.0}


def run(config: RunConfig, session: Session) -> Metrics:
    metrics: Metrics = {}
    for at in range(config.report.report_every, config.optim.iterations + 1, config.report.report_every):
        score = (WORTH.get(config.method, 15.0) + config.params.phi + config.optim.lr) * at / config.optim.iterations
        time.sleep(float(os.environ.get("PAUSE", "0")))
        seconds = at * (2.0 if config.method == "ctt" else 1.0)
        metrics = {"iteration": at, "miou": score, "seconds": seconds, "config_hash": config.hash()}
        session.report(metrics, lambda place, at=at: (place / "state.json").write_text(str(at)))
    return metrics


if __name__ == "__main__":
    campaign.Campaign = functools.partial(campaign.Campaign, run=run)  # type: ignore[assignment,misc]
    data.make_built_in = lambda choice: None
    sys.exit(command.main(sys.argv[1:]))
