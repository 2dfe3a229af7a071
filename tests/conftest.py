"""One torch thread per process and fixed seeds: the suite shares its cores with whatever else runs."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_enable_open_telemetry", "0")  # ctt_ray/train/cluster.py tells why

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The real data sets beside the project; skips with a reason where they are absent."""
    if not SHARED.is_dir():
        pytest.skip(f"real data sets are not here: {SHARED.parent.name}/{SHARED.name} beside the project is absent")
    return SHARED
