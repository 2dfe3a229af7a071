"""python -m ctt_ray.train: train one model with Ray Train, or in this process with --workers 0."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field

from ctt_ray import cli
from ctt_ray.config import ConfigError, Frozen, RunConfig
from ctt_ray.placement import Placement, layout
from ctt_ray.train.asks import MAX_LOST_MINUTES, Ask
from ctt_ray.train.loop import plan_of
from ctt_ray.train.session import Metrics
from ctt_ray.train.workers import Workers, parse, useful

DESCRIPTION = """Train students and teachers on a prepared data set. The same --name and --storage go on where a run stopped.

examples
  python -m data_prep scenes --out data/scenes && python -m data_prep split data/scenes --labelled 24
  python -m ctt_ray.train --data data/scenes --labelled n24_s0 --backbone mobilenet_v2 --crop 64 64 --iterations 200
  python -m ctt_ray.train --config best.yaml --workers 4 --name final
  python -m ctt_ray.train --method ctt --pairs 3 --show-plan"""


class TrainArgs(Frozen):
    run: RunConfig = RunConfig()
    config: Path | None = None
    """YAML file; flags given beside it win."""
    profile: str = "paper"
    """paper | released: the paper's text, or the switches of its released code."""
    workers: str = "1"
    """Ray Train workers, data parallel; 1:4 for as many as the cluster has room for, from 1 to 4; 0 trains in this process
    without Ray."""
    gpus_per_worker: float = Field(0.0, ge=0)
    """GPUs a worker (may be a fraction)."""
    cpus_per_worker: float = Field(1.0, gt=0)
    """CPUs a worker."""
    placement: Placement = "auto"
    """auto | together | spread: all pairs on every worker, or a pair a worker (workers must be a multiple of the pairs)."""
    storage: str = "runs"
    """Folder or URL that runs are kept in."""
    name: str = "run"
    """Of this run inside the storage."""
    address: str = "local"
    """Ray cluster to join; local starts one here."""
    max_failures: int = Field(3, ge=0)
    """Restarts after a worker died; those that died with their node are not counted."""
    max_lost_minutes: float = Field(MAX_LOST_MINUTES, gt=0)
    """Work that a kill may cost at most: a checkpoint comes this often, beside those of the reports."""
    print_config: bool = False
    """Print the configuration as YAML and stop."""
    show_plan: bool = False
    """Print who labels whom and stop."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the result as JSON."""


def main(argv: Sequence[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    return cli.guarded(lambda: _main(argv))


def _main(argv: Sequence[str]) -> int:
    args = cli.parse(
        TrainArgs, argv, prog="python -m ctt_ray.train", description=DESCRIPTION, run=cli.base_config(argv)
    )
    if args.print_config:
        print(cli.to_yaml(args.run), end="")
        return cli.DONE
    plan = plan_of(args.run)
    if args.show_plan:
        print(plan.describe())
        return cli.DONE
    args = args.model_copy(update={"run": cli.absolute(args.run)})
    workers = parse(args.workers)
    metrics = _ray(args, workers) if workers.most else _local(args)
    _show(args, metrics)
    return cli.DONE


def _local(args: TrainArgs) -> Metrics:
    from ctt_ray.train.loop import run
    from ctt_ray.train.progress import line
    from ctt_ray.train.session import LocalSession
    from ctt_ray.train.signals import save_requested, stop_requested

    folder = Path(args.storage) / args.name
    with stop_requested() as stopping:
        session = LocalSession(
            folder,
            keep=args.run.report.keep,
            asked=lambda: Ask.STOP if stopping() else Ask.NOTHING,
            save_every_s=60 * args.max_lost_minutes,
            on_report=lambda m: _say(line(m)),
            on_save=lambda iteration: _say(f"it {iteration} · saved"),
        )
        with save_requested(session.save_now):
            (folder / "config.yaml").write_text(cli.to_yaml(args.run))
            return run(args.run, session)


def _ray(args: TrainArgs, asked: Workers) -> Metrics:
    from ctt_ray.train.launch import cluster, launch
    from ctt_ray.train.setup import check

    check(args.run, plan_of(args.run))  # mistakes are told here, not by a worker that is restarted for them
    workers = useful(asked, args.run)
    if workers != asked:
        _say(f"--workers {asked}: a step has samples for {workers.most}, no more are used")
    _say(placed(args, workers))
    with cluster(args.address, cpus=workers.most * args.cpus_per_worker):
        return launch(
            args.run,
            storage=args.storage,
            name=args.name,
            workers=workers,
            gpus_per_worker=args.gpus_per_worker,
            cpus_per_worker=args.cpus_per_worker,
            max_failures=args.max_failures,
            save_every_s=60 * args.max_lost_minutes,
            show=True,
            placement=args.placement,
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def placed(args: TrainArgs, workers: Workers) -> str:
    """Where the pairs go, and why. Raises ConfigError for pairs that are to be spread over a number of workers that changes."""
    if workers.elastic and args.placement == "spread":
        raise ConfigError(
            f"--placement spread needs a fixed number of workers, not {workers}; auto or together go with a range"
        )
    most = layout(plan_of(args.run), workers.most, args.placement, own_accelerators=args.gpus_per_worker >= 1)
    return f"placement: {most}" + (f"; decided anew when the workers change, {workers}" if workers.elastic else "")


def _show(args: TrainArgs, metrics: Metrics) -> None:
    if args.as_json:
        print(json.dumps(metrics))
        return
    rows = {key: value for key, value in metrics.items() if key.startswith(("miou", "best/", "iteration"))}
    for key, value in rows.items():
        print(f"{key:<22} {value:.2f}" if isinstance(value, float) else f"{key:<22} {value}")
    where = f"{args.storage.rstrip('/')}/{args.name}"
    print(f"{'run':<22} {where}\n{'next':<22} python -m ctt_ray.evaluate {where}")


if __name__ == "__main__":
    sys.exit(main())
