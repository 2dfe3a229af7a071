"""A SkyPilot job group: an on-demand head that runs the command, and spot workers beside it, each a task of its own.

Nodes of one task are alike and are recovered together, so spot workers cannot be nodes of the head's task, and each is a
task: a reclaim costs one. Format: SkyPilot's task YAML and job groups (0.12 or newer), which its authors call experimental.
"""

from __future__ import annotations

from typing import Any

from ctt_ray.deploy.profile import HEALTH, Profile
from ctt_ray.deploy.rayup import mounting

HEAD = "head"
PORT = 6379  # SkyPilot's own Ray has 6380


def documents(profile: Profile) -> list[dict[str, Any]]:
    """The group's header, the head, the workers. Raises ConfigError where the profile names no NFS export."""
    workers = [_worker(profile, number) for number in range(profile.workers.min)]
    header = {"name": profile.name, "execution": "parallel", "primary_tasks": [HEAD]}
    return [header, _head(profile), *workers]


def _head(profile: Profile) -> dict[str, Any]:
    """The command starts once the workers are there, for it counts them; they end when it has ended. No `ray stop`: it
    would end SkyPilot's own Ray, too."""
    lines = [
        "set -e",
        "export IP=$(hostname -I | cut -d' ' -f1)",
        f"export RAY_ADDRESS=$IP:{PORT}",
        f"ray status > /dev/null 2>&1 || ray start --head --node-ip-address=$IP --port={PORT} --num-cpus=0",
        profile.preflight,
        profile.job,
    ]
    return _task(profile, HEAD, profile.head.cpus, profile.head.memory_gib, {"use_spot": False}, lines)


def _worker(profile: Profile, number: int) -> dict[str, Any]:
    """Joins again and again: a head that was lost comes back under the same name."""
    workers = profile.workers
    gpus = {"accelerators": f"{workers.gpu or 'GPU'}:{workers.gpus}"} if workers.gpus else {}
    join = f"ray start --address={HEAD}-0.{profile.name}:{PORT} --num-cpus={workers.cpus} --block"
    lines = ["while true; do", f"  {join} || true", "  sleep 10", "done"]
    wants = gpus | {"use_spot": workers.spot}
    return _task(profile, f"worker{number}", workers.cpus, workers.memory_gib, wants, lines)


def _task(
    profile: Profile, name: str, cpus: int, memory: int, wants: dict[str, Any], lines: list[str]
) -> dict[str, Any]:
    machine = {"infra": profile.infra, "image_id": f"docker:{profile.image}", "cpus": f"{cpus}+"}
    return {
        "name": name,
        "resources": machine | {"memory": f"{memory}+"} | wants,
        "envs": {"RAY_AUTH_MODE": "token", **HEALTH},
        "secrets": {"RAY_AUTH_TOKEN": None},  # given on the command line
        "setup": "\n".join(["set -e", *mounting(profile)]) + "\n",
        "run": "\n".join(lines) + "\n",
    }
