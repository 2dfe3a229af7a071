"""Ray for a while: a cluster of this process's own, or one that is joined; quiet, and left at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray

from ctt_ray.cli import ClusterError

START_TIMEOUT = "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # Ray's 2 s would be most of a short run's shutdown
    START_TIMEOUT: "30",
    "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "2",  # some clouds give half a minute of notice
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
DRIVER = {
    # Ray 2.60 leaves one exporter thread of its metrics running for every init of a process; now and then one of them calls what
    # the process's exit has already destroyed, and a finished command ends with a segmentation fault.
    "RAY_enable_open_telemetry": "0",
}


@contextmanager
def joined(
    address: str,
    *,
    local: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> Iterator[None]:
    """Ray while the block runs. `local` as the address starts one here, with the options `local`, that nobody else joins.

    env: variables for this process, where they are not set yet.   Raises ClusterError where there is no cluster.
    """
    for name, value in {**QUIET, **DRIVER, **(env or {})}.items():
        os.environ.setdefault(name, value)
    if address == "local":
        options |= local or {}
    try:
        ray.init(address=address, logging_level="ERROR", log_to_driver=False, **options)
    except (ConnectionError, RuntimeError) as error:
        raise ClusterError(
            f"no Ray cluster at '{address}': {error}. Start one with `ray start --head`, or use --address local."
        ) from None
    except Exception as error:  # Ray raises a plain one where its own processes were not up within 30 s
        ray.shutdown()
        raise ClusterError(
            f"Ray did not start on this machine: {error} A busy machine may be the reason: give the same command again."
        ) from None
    try:
        yield
    finally:
        ray.shutdown()
