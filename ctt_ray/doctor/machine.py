"""This machine: GPUs and whether torch can use them, shared memory, room on disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ctt_ray.doctor.finding import Finding
from ctt_ray.tune.capacity import local_node

GIB = 2**30
SHM_AT_LEAST = GIB // 2
TEMP_AT_MOST = 0.95  # Ray's own limit: it makes no new objects on a fuller disk


def torch() -> Finding:
    """torch and torchvision load, and torch sees the GPUs that the driver has."""
    try:
        import torch as found

        from ctt_ray.nets.torchvision_compat import torchvision
    except (ImportError, RuntimeError, OSError) as error:
        return Finding("fail", "torch", f"does not load: {error}")
    loaded = f"torch {found.__version__}, torchvision {torchvision.__version__}"
    devices = torch_gpus()
    names = sorted({found.cuda.get_device_name(i) for i in range(devices)})
    return gpus(int(local_node().gpus), devices, loaded, ", ".join(names))


def torch_gpus() -> int:
    """How many GPUs torch can use."""
    import torch

    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0


def gpus(driver: int, torch_sees: int, loaded: str, names: str = "") -> Finding:
    if driver > torch_sees:
        return Finding(
            "fail",
            "torch",
            f"{loaded} sees {torch_sees} of {driver} GPUs: a CPU build, or a driver too old for its CUDA",
        )
    if not torch_sees:
        return Finding("ok", "torch", f"{loaded}; no GPU: {len(os.sched_getaffinity(0))} CPUs train")
    return Finding("ok", "torch", f"{loaded}; {torch_sees} GPUs: {names}")


def shared_memory(folder: Path = Path("/dev/shm"), at_least: int = SHM_AT_LEAST) -> Finding:
    """Ray's objects and loaders' batches travel through it; a container has 64 MiB unless told."""
    if not folder.is_dir():
        return Finding("warn", "shared memory", f"no {folder}: Ray uses files instead, which is slower")
    size = shutil.disk_usage(folder).total
    if size < at_least:
        return Finding(
            "warn",
            "shared memory",
            f"{folder} has {size / 2**20:.0f} MiB: docker run --shm-size=2g; in Kubernetes an emptyDir in Memory",
        )
    return Finding("ok", "shared memory", f"{size / GIB:.1f} GiB")


def temp(folder: Path, at_most: float = TEMP_AT_MOST) -> Finding:
    """Room where Ray keeps sessions and logs."""
    there = nearest(folder)
    usage = shutil.disk_usage(there)
    used = 1 - usage.free / usage.total
    state = f"{usage.free / GIB:.1f} GiB free for Ray at {folder}"
    if used > at_most:
        return Finding("warn", "temp", f"{state}: {used:.0%} full, Ray stops storing at 95 %; RAY_TMPDIR names another")
    return Finding("ok", "temp", state)


def nearest(folder: Path) -> Path:
    """The folder, or the closest one above it that is there."""
    folder = folder.absolute()
    return next(each for each in (folder, *folder.parents) if each.is_dir())
