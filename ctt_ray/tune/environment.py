"""environment.json: what a campaign ran on, written at each start. Facts for the report; decides nothing."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ctt_ray.tune.folder import Folder, write_json

FILE = "environment.json"
PACKAGES = ("ctt-ray", "torch", "torchvision", "ray", "accelerate", "optuna", "numpy", "pyarrow")


def record(folder: Folder, room: Sequence[str]) -> None:
    """room: how machines and trials were counted, in words (capacity.py)."""
    write_json(folder.root / FILE, describe() | {"room": list(room)})


def describe() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _processor() -> str:
    """The CPU's name as Linux gives it, or the architecture."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
