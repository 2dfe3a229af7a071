"""The training loop with a note of every step: RUN/steps/TIME_rank.jsonl says which samples this worker took, and when."""

from __future__ import annotations

import json
import time
from pathlib import Path

import ray.train

from ctt_ray.batch import Batch
from ctt_ray.config import RunConfig
from ctt_ray.engine import Engine
from ctt_ray.train.loop import run as loop
from ctt_ray.train.session import Metrics, Session

PAUSE_S = 0.15
_step = Engine.step


def run(config: RunConfig, session: Session) -> Metrics:
    folder = Path(ray.train.get_context().get_storage().experiment_fs_path) / "steps"
    folder.mkdir(exist_ok=True)
    path = folder / f"{time.time_ns()}_{session.rank}.jsonl"

    def step(engine: Engine, batch: Batch) -> None:
        _step(engine, batch)
        time.sleep(PAUSE_S)
        note = {
            "iteration": engine.iteration,
            "rank": session.rank,
            "world": session.world,
            "labelled": batch.labelled.number_B.tolist(),
            "unlabelled": batch.unlabelled.number_B.tolist(),
            "time": time.time(),
        }
        with path.open("a") as out:
            out.write(json.dumps(note) + "\n")

    Engine.step = step  # type: ignore[method-assign]  # in a process of Ray's, which ends with the run
    return loop(config, session)
