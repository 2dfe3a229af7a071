"""What a machine of the cluster is asked; runs there, in a Ray task."""

from __future__ import annotations

import fcntl
import platform
from dataclasses import dataclass
from pathlib import Path

from ctt_ray.doctor.machine import torch_gpus
from ctt_ray.doctor.packages import installed

SAME = ("ctt-ray", "torch", "ray", "accelerate")  # what pickles and checkpoints pass between


@dataclass(frozen=True)
class Seen:
    """versions: by name · gpus: that torch sees · there, locked: the storage's file is there; its lock could be taken."""

    versions: dict[str, str | None]
    gpus: int = 0
    there: bool = False
    locked: bool = False


def versions() -> dict[str, str | None]:
    return {"python": ".".join(platform.python_version_tuple()[:2]), **{name: installed(name) for name in SAME}}


def look(lock: str) -> Seen:
    path = Path(lock) if lock else None
    there = path is not None and path.is_file()
    return Seen(versions(), torch_gpus(), there, locked=there and path is not None and taken(path))


def taken(path: Path) -> bool:
    """Whether the file's lock was to be had."""
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def state_api() -> list[str]:
    """Ids of the cluster's machines by Ray's State API."""
    from ray.util.state import list_nodes

    return [node.node_id for node in list_nodes()]
