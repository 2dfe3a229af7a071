"""The training loop of a Ray Train worker with a note of every step in RUN/steps."""

from __future__ import annotations

from pathlib import Path

import ray.train
from elastic.notes import note_steps

from ctt_ray.config import RunConfig
from ctt_ray.train.loop import run as loop
from ctt_ray.train.session import Metrics, Session

PAUSE_S = 0.15


def run(config: RunConfig, session: Session) -> Metrics:
    folder = Path(ray.train.get_context().get_storage().experiment_fs_path) / "steps"
    note_steps(folder, rank=session.rank, world=session.world, pause=PAUSE_S)
    return loop(config, session)
