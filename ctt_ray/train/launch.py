"""Ray around the loop: a cluster for a while, and a TorchTrainer with our run's name, storage and restarts."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import ray.train
from ray.train.torch import TorchConfig, TorchTrainer

from ctt_ray.cli import ClusterError
from ctt_ray.config import RunConfig
from ctt_ray.placement import Placement
from ctt_ray.train import snapshot, worker
from ctt_ray.train.background import repeated
from ctt_ray.train.cluster import joined
from ctt_ray.train.progress import line
from ctt_ray.train.session import LOOP, RESULTS, SCORE, Interrupted, Metrics, Run


def cluster(address: str, *, cpus: float) -> AbstractContextManager[None]:
    """A Ray cluster with room for `cpus`, logical ones where the machine has fewer."""
    return joined(address, local={"num_cpus": max(os.cpu_count() or 1, math.ceil(cpus)), "include_dashboard": False})


def launch(
    config: RunConfig,
    *,
    storage: str,
    name: str,
    workers: int,
    gpus_per_worker: float = 0.0,
    cpus_per_worker: float = 1.0,
    callbacks: Sequence[Any] = (),
    max_failures: int = 3,
    restarts: bool = True,
    stop_file: Path | None = None,
    show: bool = False,
    run: Run | str = LOOP,
    placement: Placement = "auto",
) -> Metrics:
    """Train with Ray Train; the same storage and name go on where they stopped. Returns the last report.

    show: one line a report on stderr · run: trains the configuration in each worker · restarts: False leaves them all to the
    caller, so the first failure ends it; only for room to start it waits as long as it takes · stop_file: once it exists
    the workers save after their next report and leave.
    Raises ClusterError when workers died more than `max_failures` times, Interrupted when they left early.
    """
    failing = (
        ray.train.FailureConfig(max_failures=max_failures, controller_failure_limit=10)
        if restarts
        else ray.train.FailureConfig(max_failures=0, max_preemption_failures=0, controller_failure_limit=-1)
    )
    if "://" not in storage:
        storage = str(Path(storage).resolve())
        snapshot.mend(Path(storage, name))
    resources = {"CPU": cpus_per_worker} | ({"GPU": gpus_per_worker} if gpus_per_worker else {})
    trainer = TorchTrainer(
        worker.train,
        train_loop_config={
            "config": config.model_dump(mode="json"),
            "run": run,
            "session": {
                "stop_file": stop_file and str(stop_file),
                "placement": placement,
                "own_accelerators": gpus_per_worker >= 1,
            },
        },
        scaling_config=ray.train.ScalingConfig(
            num_workers=workers, use_gpu=gpus_per_worker > 0, resources_per_worker=resources
        ),
        torch_config=TorchConfig(backend="gloo" if 0 < gpus_per_worker < 1 else None),  # NCCL: a GPU a worker
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=storage,
            failure_config=failing,
            checkpoint_config=ray.train.CheckpointConfig(
                num_to_keep=config.report.keep + 1, checkpoint_score_attribute=SCORE
            ),
            callbacks=list(callbacks),
            logging_config=ray.train.LoggingConfig(log_level="ERROR"),
        ),
    )
    with _shown(storage, name) if show else nullcontext():
        try:
            result = trainer.fit()
        except ray.train.TrainingFailedError as error:
            raise ClusterError(f"training failed after {max_failures} restarts: {_cause(error)}") from error
    metrics = dict(result.metrics or {})
    if stop_file is not None and int(metrics.get("iteration", 0)) < config.optim.iterations and stop_file.exists():
        raise Interrupted("asked to stop, saved")
    return metrics


def _cause(error: BaseException) -> str:
    """The last line that says something; the whole story is in Ray's log."""
    lines = [text.strip() for text in str(error).splitlines() if text.strip()]
    return lines[-1] if lines else type(error).__name__


def _shown(storage: str, name: str) -> AbstractContextManager[None]:
    """Print each new line of the run's result file while the block runs: workers' own output stays in Ray's log."""
    from pyarrow import fs

    filesystem, folder = fs.FileSystem.from_uri(storage) if "://" in storage else (fs.LocalFileSystem(), storage)
    seen = -1

    def look() -> None:
        nonlocal seen
        for metrics in worker.read_lines(filesystem, f"{folder}/{name}/{RESULTS}"):
            if int(metrics["iteration"]) > seen:
                seen = int(metrics["iteration"])
                print(line(metrics), file=sys.stderr, flush=True)

    return repeated(look, every_s=1.0)
