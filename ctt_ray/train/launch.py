"""Ray around the loop: a cluster for a while, and a TorchTrainer with our run's name, storage and restarts."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import ray.train
from ray.train.torch import TorchConfig, TorchTrainer

from ctt_ray.cli import ClusterError
from ctt_ray.config import RunConfig
from ctt_ray.placement import Placement
from ctt_ray.train import snapshot, worker
from ctt_ray.train.asks import MAX_LOST_MINUTES, Ask
from ctt_ray.train.attend import Attendant
from ctt_ray.train.cluster import QUIET, START_TIMEOUT, joined
from ctt_ray.train.session import LOOP, SCORE, Interrupted, Metrics, Run
from ctt_ray.train.wishes import Wishes
from ctt_ray.train.workers import Workers

ELASTIC_TIMEOUT_S = "3"  # for room to start in: what is asked for is there at once, or is not there any more
RESIZE_EVERY_S = 10.0


def cluster(address: str, *, cpus: float) -> AbstractContextManager[None]:
    """A Ray cluster with room for `cpus`, logical ones where the machine has fewer."""
    return joined(address, local={"num_cpus": max(os.cpu_count() or 1, math.ceil(cpus)), "include_dashboard": False})


def launch(
    config: RunConfig,
    *,
    storage: str,
    name: str,
    workers: int | Workers,
    gpus_per_worker: float = 0.0,
    cpus_per_worker: float = 1.0,
    callbacks: Sequence[Any] = (),
    max_failures: int = 3,
    restarts: bool = True,
    stop_file: Path | None = None,
    save_every_s: float = 60 * MAX_LOST_MINUTES,
    show: bool = False,
    run: Run | str = LOOP,
    placement: Placement = "auto",
) -> Metrics:
    """Train with Ray Train; the same storage and name go on where they stopped. Returns the last report.

    workers: a number, or from so many to so many as the cluster has room · show: one line a report on stderr, and signals go
    to the workers · run: trains the configuration in each worker · restarts: False leaves them all to the caller, so the
    first failure ends it; only for room to start it waits as long as it takes · stop_file: once it exists the workers save
    and leave · save_every_s: work that a kill may cost.
    Raises ClusterError when workers died more than `max_failures` times without their node, Interrupted when they left early.
    """
    crew = Workers(workers, workers) if isinstance(workers, int) else workers
    if "://" not in storage:
        storage = str(Path(storage).resolve())
        snapshot.mend(Path(storage, name))
    wishes = Wishes.at(storage, name)
    wishes.clear()  # an earlier command's
    scaling = _scaling(crew, cpus_per_worker, gpus_per_worker)
    session = {
        "stop_file": stop_file and str(stop_file),
        "save_every_s": save_every_s,
        "placement": placement,
        "own_accelerators": gpus_per_worker >= 1,
    }

    def fit() -> ray.train.Result:
        trainer = TorchTrainer(
            worker.train,
            train_loop_config={"config": config.model_dump(mode="json"), "run": run, "session": session},
            scaling_config=scaling,
            torch_config=TorchConfig(backend="gloo" if 0 < gpus_per_worker < 1 else None),  # NCCL: a GPU a worker
            run_config=ray.train.RunConfig(
                name=name,
                storage_path=storage,
                failure_config=_failing(crew, max_failures, restarts),
                checkpoint_config=ray.train.CheckpointConfig(
                    num_to_keep=config.report.keep + 1, checkpoint_score_attribute=SCORE
                ),
                callbacks=list(callbacks),
                logging_config=ray.train.LoggingConfig(log_level="ERROR"),
            ),
        )
        return trainer.fit()

    attendant = Attendant(storage, name, wishes, elastic=crew.elastic, show=show) if show or crew.elastic else None
    with _start_timeout(crew):
        result = _fit(fit, attendant, max_failures)
    metrics = dict(result.metrics or {})
    asked = wishes.there(Ask.STOP) or (stop_file is not None and stop_file.exists())
    if asked and not finished(metrics, config):
        raise Interrupted(f"stopped at iteration {metrics.get('iteration', 0)}, saved; the same command goes on")
    return metrics


def finished(metrics: Metrics, config: RunConfig) -> bool:
    """Whether a run's last metrics are those of its last report; one that left during that evaluation has no score."""
    return int(metrics.get("iteration", 0)) >= config.optim.iterations and SCORE in metrics


def _fit(fit: Callable[[], ray.train.Result], attendant: Attendant | None, max_failures: int) -> ray.train.Result:
    """Ray counts every death as a failure of which it had no notice; those of a round in which a node was lost are forgiven."""
    while True:
        lost = attendant.lost if attendant else 0
        try:
            return attendant.attend(fit) if attendant else fit()
        except ray.train.TrainingFailedError as error:
            if attendant is None or attendant.lost == lost:
                raise ClusterError(f"training failed after {max_failures} restarts: {_cause(error)}") from error
            attendant.say("the nodes' losses are no failures of the run: it goes on")


def _scaling(crew: Workers, cpus: float, gpus: float) -> ray.train.ScalingConfig:
    resources = {"CPU": cpus} | ({"GPU": gpus} if gpus else {})
    elastic = {"elastic_resize_monitor_interval_s": RESIZE_EVERY_S} if crew.elastic else {}
    return ray.train.ScalingConfig(
        num_workers=tuple(crew) if crew.elastic else crew.most,
        use_gpu=gpus > 0,
        resources_per_worker=resources,
        **elastic,
    )


def _failing(crew: Workers, max_failures: int, restarts: bool) -> ray.train.FailureConfig:
    """The controller's failures are starts that found no room in time; an elastic run makes short work of them."""
    if not restarts:
        return ray.train.FailureConfig(max_failures=0, max_preemption_failures=0, controller_failure_limit=-1)
    return ray.train.FailureConfig(max_failures=max_failures, controller_failure_limit=-1 if crew.elastic else 10)


@contextmanager
def _start_timeout(crew: Workers) -> Iterator[None]:
    """After a node is lost, an elastic run may ask for as many workers as before; it is not to wait long for them."""
    before = os.environ.get(START_TIMEOUT)
    if crew.elastic and before in (None, QUIET[START_TIMEOUT]):
        os.environ[START_TIMEOUT] = ELASTIC_TIMEOUT_S
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(START_TIMEOUT, None)
        else:
            os.environ[START_TIMEOUT] = before


def _cause(error: BaseException) -> str:
    """The last line that says something; the whole story is in Ray's log."""
    lines = [text.strip() for text in str(error).splitlines() if text.strip()]
    return lines[-1] if lines else type(error).__name__
