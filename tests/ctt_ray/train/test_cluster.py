"""What a Ray cluster leaves behind in the process that used it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

USE_RAY = """
import json, os
from ctt_ray.train.cluster import joined
left = []
for _ in range(3):
    with joined("local", local={"num_cpus": 1, "include_dashboard": False}):
        pass
    left.append([open(f"/proc/self/task/{id}/comm").read().strip() for id in os.listdir("/proc/self/task")])
print(json.dumps(left))
"""


@pytest.mark.ray
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
def test_no_thread_is_left_for_every_cluster() -> None:
    """One that wakes up while the process exits ends a finished command with a segmentation fault."""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_enable_open_telemetry"}
    done = subprocess.run(
        [sys.executable, "-c", USE_RAY], env=environment, capture_output=True, text=True, timeout=240, check=True
    )
    first, second, third = json.loads(done.stdout)
    assert len(first) >= len(second) == len(third), f"new: {sorted(third)}"
