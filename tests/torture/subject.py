"""The campaign that is tortured: its runs are a formula, slow enough and with files enough for kills to land inside.

    python subject.py FOLDER --trials 12 --pause 0.01 --concurrent 2 --address local

Each start of a trial is noted in trials/ID/starts.jsonl: its process and the iteration that it went on from.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path

from ctt_ray import cli
from ctt_ray.config import RunConfig, with_values
from ctt_ray.train.session import Interrupted, LocalSession, Metrics, Run
from ctt_ray.tune import settings as settings_of
from ctt_ray.tune.campaign import Campaign, run_campaign
from ctt_ray.tune.capacity import Node, capacity
from ctt_ray.tune.folder import Folder
from tune_spaces import Fidelity, Space, Trial

ITERATIONS, EVERY = 80, 10
WRITING_S = 0.004  # between the two files of a checkpoint
POINTS = ({"lr": 0.01, "phi": 0.75}, {"lr": 0.02, "phi": 0.25})


def suggest(trial: Trial) -> dict[str, float]:
    return {"lr": trial.suggest_float("lr", 1e-4, 1.0, log=True), "phi": trial.suggest_float("phi", 0.0, 1.0)}


def score(lr: float, phi: float, at: int) -> float:
    """Curves cross: phi is how fast, lr how far."""
    return 60 * (1 - math.exp(-at / (15 + 40 * phi))) - 4 * abs(math.log10(lr) + 2)


def make_run(pause: float) -> Run:
    def save(place: Path, at: int) -> None:
        (place / "weights.bin").write_bytes(bytes(20_000))
        time.sleep(WRITING_S)
        (place / "state.json").write_text(str(at))

    def run(config: RunConfig, session: LocalSession) -> Metrics:
        start = session.resume_from()
        at = 0 if start is None else int(json.loads((start / "state.json").read_text()))
        with (session.folder / "starts.jsonl").open("a") as out:
            out.write(json.dumps({"pid": os.getpid(), "iteration": at}) + "\n")
        metrics: Metrics = {}
        while at < config.optim.iterations:
            at += 1
            time.sleep(pause)
            stop = session.asked().leaves
            if at % EVERY == 0 or stop:
                metrics = {"iteration": at, "seconds": round(at * pause, 6), "config_hash": config.hash()}
                if at % EVERY == 0:
                    metrics["miou"] = score(config.optim.lr, config.params.phi, at)
                session.report(metrics, lambda place, at=at: save(place, at))
            if stop:
                raise Interrupted("stopped")
        return metrics

    return run  # type: ignore[return-value]  # it is only ever given a LocalSession


def main(args: argparse.Namespace) -> int:
    space = Space("torture", "", {"iterations": ITERATIONS, "report_every": EVERY}, suggest, POINTS, Fidelity(8, 1, 2))
    folder = Folder(args.folder)
    asked = settings_of.settle(space, with_values(RunConfig(), space.base), trials=args.trials, seed=args.seed)
    room = capacity([Node(1), Node(1)], trials=args.trials, cpus=1, concurrent=args.concurrent)
    with folder.lock():
        settings_of.save(folder, asked)
        run_campaign(Campaign(folder, space, asked, room, Node(2), address=args.address, run=make_run(args.pause)))
    return cli.DONE


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--pause", type=float, default=0.01)
    parser.add_argument("--concurrent", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--address", default="local")
    parsed = parser.parse_args()
    sys.exit(cli.guarded(lambda: main(parsed)))
