"""python -m benchmarks.tune_cost [empty] [workers] [many]: what a campaign adds to Ray Tune, trial by trial.

empty    wall time of an empty trial, ours against Ray Tune's own function trial with reused processes
workers  of an empty trial of two Ray Train workers, ours against a minimal TorchTrainer under Ray Tune
many     1,000 instant trials: memory of the campaign's process, and seconds per ask; TPE's own time apart

The sides of a pair take turns in one Ray cluster, so that a busy machine slows both alike; medians and minima are shown.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
import psutil
import ray
from ray import tune

from ctt_ray.config import RunConfig, with_values
from ctt_ray.train.cluster import QUIET, joined
from ctt_ray.train.session import Metrics, Session
from ctt_ray.tune import campaign as campaigns
from ctt_ray.tune import settings as settings_of
from ctt_ray.tune.alive import Steering
from ctt_ray.tune.campaign import Campaign
from ctt_ray.tune.capacity import Node, capacity
from ctt_ray.tune.cluster import STORE_BYTES, TRIALS, TUNE
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.samplers import Samplers
from ctt_ray.tune.searcher import StudySearcher
from tune_spaces import Fidelity, Space, Trial

AT_ONCE = 2
EMPTY_AT_MOST, WORKERS_AT_MOST = 1.3, 1.1  # times Ray's own
MARKS = (250, 500, 1000)


def suggest(trial: Trial) -> dict[str, float]:
    return {"lr": trial.suggest_float("lr", 1e-4, 1.0, log=True), "phi": trial.suggest_float("phi", 0.0, 1.0)}


SPACE = Space("empty", "", {"iterations": 1, "report_every": 1}, suggest, (), Fidelity(1, 1, 2))


def empty(config: RunConfig, session: Session) -> Metrics:
    """One report, no training; of several workers with a checkpoint, for without one Ray Train forgets the report."""
    session.resume_from()
    metrics: Metrics = {"iteration": 1, "seconds": 0.0, "miou": config.optim.lr, "config_hash": config.hash()}
    session.report(metrics, save if session.world > 1 else None)
    return metrics


def save(place: Path) -> None:
    (place / "state.json").write_text('{"iteration": 1}')


def ours(trials: int, workers: int, *, sampler: str = "random") -> float:
    """Seconds of a campaign of empty trials on the cluster that this process has joined."""
    with tempfile.TemporaryDirectory() as where:
        base = with_values(RunConfig(), SPACE.base)
        asked = settings_of.settle(SPACE, base, trials=trials, sampler=sampler, scheduler="none")
        room = capacity([Node(2)], trials=trials, workers=workers, cpus=1, concurrent=AT_ONCE // workers)
        folder = Folder(Path(where, "empty"))
        wanted = Campaign(folder, SPACE, asked, room, Node(2), workers=workers, run=empty)
        folder.root.mkdir()
        with Steering(folder, asked) as steering:
            begun = time.monotonic()
            board = campaigns._round(wanted, None, steering)
            spent = time.monotonic() - begun
        assert board.finished == trials and all(record.outcome.state == "complete" for record in board.records)
        return spent


def rays(trials: int, workers: int) -> float:
    """Seconds of as many trials by Ray Tune alone, reporting the same."""
    with tempfile.TemporaryDirectory() as where:
        trainable: Any = tune.with_resources(_function, {"CPU": 1})
        if workers > 1:
            trainable = tune.with_resources(_trainer(where, workers), campaigns.DRIVER)
        tuner = tune.Tuner(
            trainable,
            param_space={"lr": tune.loguniform(1e-4, 1.0), "phi": tune.uniform(0.0, 1.0)},
            tune_config=tune.TuneConfig(
                num_samples=trials, max_concurrent_trials=AT_ONCE // workers, reuse_actors=workers == 1
            ),
            run_config=tune.RunConfig(name="tune", storage_path=where, verbose=0),
        )
        begun = time.monotonic()
        found = tuner.fit()
        spent = time.monotonic() - begun
        assert len(found) == trials and not found.errors
        return spent


def _function(config: dict[str, float]) -> None:
    tune.report({"iteration": 1, "seconds": 0.0, "miou": config["lr"]})


def _trainer(storage: str, workers: int) -> Callable[[dict[str, float]], None]:
    def trial(config: dict[str, float]) -> None:
        from ray.train import RunConfig as TrainRunConfig
        from ray.train import ScalingConfig
        from ray.train.torch import TorchTrainer
        from ray.tune.integration.ray_train import TuneReportCallback

        name = f"train_{tune.get_context().get_trial_id()}"
        TorchTrainer(
            _train,
            train_loop_config=config,
            scaling_config=ScalingConfig(num_workers=workers, resources_per_worker={"CPU": 1}),
            run_config=TrainRunConfig(name=name, storage_path=storage, callbacks=[TuneReportCallback()]),
        ).fit()

    return trial


def _train(config: dict[str, float]) -> None:
    import ray.train

    checkpoint = None
    if ray.train.get_context().get_world_rank() == 0:
        place = Path(tempfile.mkdtemp())
        save(place)
        checkpoint = ray.train.Checkpoint.from_directory(str(place))
    ray.train.report({"iteration": 1, "seconds": 0.0, "miou": config["lr"]}, checkpoint=checkpoint)


def pair(title: str, *, trials: int, workers: int, rounds: int, at_most: float) -> None:
    """Both sides in turns, after one unmeasured trial of each."""
    sides: dict[str, Callable[[int, int], float]] = {"Ray Tune alone": rays, "a campaign": ours}
    spent: dict[str, list[float]] = {name: [] for name in sides}
    with cluster(dashboard=workers > 1):
        for number in range(rounds + 1):
            for name, side in sides.items():
                seconds = side(trials if number else 1, workers)
                if number:
                    spent[name].append(seconds / trials)
    print(f"{title}: {trials} trials, {AT_ONCE // workers} at once, {rounds} rounds in turns; seconds a trial")
    for name, values in spent.items():
        print(f"  {name:<16} median {statistics.median(values):7.3f}   least {min(values):7.3f}")
    ray_side, our_side = spent.values()
    median, least = statistics.median(our_side) / statistics.median(ray_side), min(our_side) / min(ray_side)
    print(f"  ratio            median {median:7.2f}   least {least:7.2f}   wanted <= {at_most}", flush=True)
    assert min(median, least) <= at_most, f"{title}: a trial costs too much"


def cluster(*, dashboard: bool) -> Any:
    local = {"num_cpus": 2, "num_gpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": dashboard}
    return joined("local", local=local, env=TUNE, runtime_env={"env_vars": {**QUIET, **TRIALS, "OMP_NUM_THREADS": "1"}})


def many(trials: int) -> None:
    """Memory and asks of a long campaign. Asks are timed by wrapping the searcher's, in this process alone."""
    asks: list[float] = []
    memory: dict[int, float] = {}
    ask, process = StudySearcher._ask, psutil.Process()

    def timed(searcher: StudySearcher) -> str:
        begun = time.process_time()
        id = ask(searcher)
        asks.append(time.process_time() - begun)
        if len(asks) in (50, *MARKS):
            memory[len(asks)] = process.memory_info().rss / 2**20
        return id

    StudySearcher._ask = timed  # type: ignore[method-assign]
    try:
        with cluster(dashboard=False):
            ours(1, 1)
            asks.clear()
            seconds = ours(trials, 1)
    finally:
        StudySearcher._ask = ask  # type: ignore[method-assign]
    print(
        f"{trials} instant trials, {AT_ONCE} at once: {seconds:.0f} s, {seconds / trials:.3f} s a trial, all complete"
    )
    print("  memory of the campaign's process, MiB:", ", ".join(f"{value:.0f} at {at}" for at, value in memory.items()))
    quarter = trials // 4
    parts = [1000 * statistics.median(asks[at : at + quarter]) for at in range(0, trials, quarter)]
    print("  CPU milliseconds an ask, random sampler, by quarters:", ", ".join(f"{value:.2f}" for value in parts))
    assert memory[max(memory)] <= memory[min(memory)] + 64, "memory grows with the trials"


def tpe() -> None:
    """TPE's own time: suggestions over so many finished trials, without Ray and without files."""
    print("  CPU milliseconds TPE takes itself for a suggestion (2 parameters), after so many trials:", end=" ")
    found = []
    for count in MARKS:
        made = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
        made.optimize(lambda trial: suggest(trial)["lr"], n_trials=count)
        spent = []
        samplers = Samplers("tpe", 0, SPACE)
        for number in range(10):
            made.sampler = samplers.of(count + number)
            begun = time.process_time()
            trial = made.ask()
            suggest(trial)
            spent.append(1000 * (time.process_time() - begun))
            made.tell(trial, 0.5)
        found.append(f"{statistics.median(spent):.1f} at {count}")
    print(", ".join(found), flush=True)


def main(parts: Sequence[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    os.environ.setdefault("RAY_worker_niceness", "0")
    parts = parts or ("empty", "workers", "many")
    if "empty" in parts:
        pair("empty trial", trials=40, workers=1, rounds=3, at_most=EMPTY_AT_MOST)
    if "workers" in parts:
        pair("empty trial of 2 Train workers", trials=2, workers=2, rounds=3, at_most=WORKERS_AT_MOST)
    if "many" in parts:
        many(MARKS[-1])
        tpe()
    assert not ray.is_initialized()


if __name__ == "__main__":
    main(sys.argv[1:])
