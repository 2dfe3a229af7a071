"""A run under Ray Train that is killed, or that nodes are taken from:

python subject.py CONFIG.yaml STORAGE NAME ADDRESS WORKERS MAX_LOST_MINUTES
"""

from __future__ import annotations

import sys
from pathlib import Path

from ctt_ray import cli
from ctt_ray.train.launch import cluster, launch
from ctt_ray.train.workers import parse


def main(config: str, storage: str, name: str, address: str, workers: str, minutes: str) -> int:
    with cluster(address, cpus=parse(workers).most):
        launch(
            cli.read_config(Path(config)),
            storage=storage,
            name=name,
            workers=parse(workers),
            save_every_s=60 * float(minutes),
            show=True,
            run="elastic.recorded:run",
        )
    return cli.DONE


if __name__ == "__main__":
    sys.exit(cli.guarded(lambda: main(*sys.argv[1:])))
