"""A Ray cluster for a campaign: its own on this machine, or one that is joined; quiet, and gone at the end."""

from __future__ import annotations

from contextlib import AbstractContextManager

import ray

from ctt_ray.train.cluster import QUIET, joined
from ctt_ray.tune.capacity import Capacity, Node

STORE_BYTES = 200 * 2**20  # trials hand over file names, not tensors
TUNE = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the new reporter prints a header even when told to be silent
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # result.jsonl is ours
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a trial that failed before its first evaluation has no score
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is the campaign's
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # a dead process is one line of ours, not Ray's traceback
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # nobody restores Ray's own state
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
TRIALS = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths in a space stay what they were
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "60",  # a stopped run may still be closing its loaders when its process is reused
}


def cluster(address: str, room: Capacity, node: Node, *, workers: int) -> AbstractContextManager[None]:
    """`local` starts one that nobody joins by accident. Raises ClusterError where there is none at `address`."""
    threads = {"OMP_NUM_THREADS": str(max(1, int(room.cpus)))}
    local = {
        "num_cpus": int(node.cpus),
        "num_gpus": int(node.gpus),
        "object_store_memory": STORE_BYTES,
        "include_dashboard": workers > 1,  # its state API removes what a killed trial's workers had reserved
    }
    return joined(address, local=local, env=TUNE, runtime_env={"env_vars": {**QUIET, **TRIALS, **threads}})


def nodes_at(address: str) -> list[Node]:
    """What the cluster at `address` has, by joining it for a moment. Raises ClusterError where there is none."""
    with joined(address, env=TUNE):
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return [Node(float(has.get("CPU", 0)), float(has.get("GPU", 0))) for has in alive]
