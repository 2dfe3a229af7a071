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
from ctt_ray.config import Frozen, RunConfig
from ctt_ray.placement import Placement, layout
from ctt_ray.train.loop import plan_of
from ctt_ray.train.session import Metrics

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
    workers: int = Field(1, ge=0)
    """Ray Train workers, data parallel; 0 trains in this process without Ray."""
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
    """Restarts after a worker died."""
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
    metrics = _local(args) if args.workers == 0 else _ray(args)
    _show(args, metrics)
    return cli.DONE


def _local(args: TrainArgs) -> Metrics:
    from ctt_ray.train.loop import run
    from ctt_ray.train.progress import line
    from ctt_ray.train.session import LocalSession
    from ctt_ray.train.signals import stop_requested

    folder = Path(args.storage) / args.name
    with stop_requested() as stopping:
        session = LocalSession(
            folder,
            keep=args.run.report.keep,
            stopping=stopping,
            on_report=lambda m: print(line(m), file=sys.stderr, flush=True),
        )
        (folder / "config.yaml").write_text(cli.to_yaml(args.run))
        return run(args.run, session)


def _ray(args: TrainArgs) -> Metrics:
    from ctt_ray.train.launch import cluster, launch
    from ctt_ray.train.setup import check

    check(args.run, plan_of(args.run))  # mistakes are told here, not by a worker that is restarted for them
    print(placed(args), file=sys.stderr)
    with cluster(args.address, cpus=args.workers * args.cpus_per_worker):
        return launch(
            args.run,
            storage=args.storage,
            name=args.name,
            workers=args.workers,
            gpus_per_worker=args.gpus_per_worker,
            cpus_per_worker=args.cpus_per_worker,
            max_failures=args.max_failures,
            show=True,
            placement=args.placement,
        )


def placed(args: TrainArgs) -> str:
    """Where the pairs go, and why."""
    plan = plan_of(args.run)
    return f"placement: {layout(plan, args.workers, args.placement, own_accelerators=args.gpus_per_worker >= 1)}"


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
