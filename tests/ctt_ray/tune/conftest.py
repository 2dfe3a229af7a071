"""A small campaign without Ray: a space of two parameters, its settings, and trials written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ctt_ray.config import RunConfig, with_values
from ctt_ray.train.session import RESULTS
from ctt_ray.tune import settings as settings_of
from ctt_ray.tune.folder import Folder, Issued, Outcome, write_text
from ctt_ray.tune.settings import Settings
from tune_spaces import Fidelity, Space, Trial


def suggest(trial: Trial) -> dict[str, float]:
    return {"lr": trial.suggest_float("lr", 1e-4, 1.0, log=True), "phi": trial.suggest_float("phi", 0.0, 1.0)}


@pytest.fixture
def space() -> Space:
    points = ({"lr": 0.01, "phi": 0.75}, {"lr": 0.1, "phi": 0.5})
    return Space("small", "", {"iterations": 80, "report_every": 10}, suggest, points, Fidelity(8, 1, 2))


@pytest.fixture
def settings(space: Space) -> Settings:
    return settings_of.settle(space, with_values(RunConfig(), space.base), trials=6)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "camp")


@pytest.fixture
def put(folder: Folder, settings: Settings) -> Callable[..., None]:
    """put("0003", {10: 20.0}, "pruned"): a trial with these scores at these iterations, and its end, if any."""

    def write(id: str, scores: dict[int, float], state: str = "", *, lr: float = 0.02, phi: float = 0.3) -> None:
        values = {"lr": lr, "phi": phi}
        folder.issue(Issued(id, values, values, with_values(settings.base, values).hash()))
        lines = [
            json.dumps({"iteration": at, "miou": value, "seconds": float(at)}) + "\n" for at, value in scores.items()
        ]
        write_text(folder.trial(id) / RESULTS, "".join(lines))
        if state:
            last = max(scores, default=0)
            miou = None if state == "failed" else scores[last]
            folder.settle(id, Outcome(state, last, miou, reason="" if state == "complete" else "why"))  # type: ignore[arg-type]

    return write
