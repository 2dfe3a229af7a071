"""Traces of Ray on this machine that would catch a program which means another cluster. Starts and loads no Ray."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ctt_ray.doctor.finding import Finding

CONTROL = "gcs_server"  # one a cluster, on its head


def temp_folder(env: Mapping[str, str] = os.environ) -> Path:
    """Where Ray keeps sessions, by its own rule on Linux."""
    return Path(env.get("RAY_TMPDIR") or env.get("TMPDIR") or "/tmp") / "ray"


def control_processes(proc: Path = Path("/proc")) -> int:
    """How many clusters have their head here."""
    names = []
    for path in proc.glob("[0-9]*/comm"):
        try:
            names.append(path.read_text().strip())
        except OSError:  # it ended in between
            continue
    return names.count(CONTROL)


def others(running: int) -> Finding:
    if running:
        return Finding(
            "warn", "other Ray", f"{running} run here: --address local starts one beside; --address auto would join one"
        )
    return Finding("ok", "other Ray", "none runs here")


def stale(temp: Path, running: int) -> Finding:
    """Left by a killed `ray start --head`; the clean-up of every run with several workers looks for that cluster."""
    path = temp / "ray_current_cluster"
    if not path.is_file():
        return Finding("ok", "stale Ray", "no address left behind")
    if running:
        return Finding("ok", "stale Ray", f"{path} names {path.read_text().strip()}, a cluster runs here")
    return Finding(
        "warn", "stale Ray", f"{path} names a cluster that is gone, 12 s for each run of several workers: `ray stop`"
    )


def variable(env: Mapping[str, str] = os.environ) -> Finding:
    address = env.get("RAY_ADDRESS")
    if address:
        return Finding("warn", "RAY_ADDRESS", f"is {address}: --address auto and Ray's own tools go there")
    return Finding("ok", "RAY_ADDRESS", "not set")


def token(env: Mapping[str, str] = os.environ, home: Path | None = None) -> str:
    """Why a cluster may refuse who joins it, or nothing: Ray leaves a token in the home of whoever ran it once; a
    `ray start --head` there asks for it, but only --address auto and RAY_AUTH_MODE=token give it."""
    path = (home or Path.home()) / ".ray" / "auth_token"
    if "RAY_AUTH_MODE" in env or not path.is_file():
        return ""
    return f" {path} is there and RAY_AUTH_MODE is not set: set it to `token`, or to `disabled` on every machine."
