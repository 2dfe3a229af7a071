"""python -m benchmarks.exchange: bytes that spread pairs exchange, counted in real steps, against the formula of scaling.py; and
the wall time of a step in three layouts on this machine."""

from __future__ import annotations

import json
import os
import socket
import statistics
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist

from benchmarks.scaling import Setting, exchanged
from benchmarks.step_cost import CLASSES, CROP, IMAGES, VALUES, samples
from ctt_ray import methods
from ctt_ray.batch import Batch, Samples
from ctt_ray.config import RunConfig, with_values
from ctt_ray.engine import Engine
from ctt_ray.engine.accelerator import make_accelerator
from ctt_ray.engine.world import World
from ctt_ray.placement import Placement, layout

STEPS = 6
QUERIES = 256
LAYOUTS: list[tuple[int, Placement]] = [(1, "together"), (2, "together"), (2, "spread")]


def share(part: Samples, index: int, shares: int) -> Samples:
    pick = slice(index, None, shares)
    return Samples(part.image_B3HW[pick], part.label_BHW[pick], part.key_B[pick], part.number_B[pick])


def work(rank: int, workers: int, placement: Placement, port: int, out: str) -> None:
    torch.set_num_threads(1)
    if workers > 1:
        os.environ |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(workers),
            "LOCAL_WORLD_SIZE": str(workers),
        }
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        dist.init_process_group("gloo")
    config = with_values(RunConfig(), {**VALUES, "max_queries": QUERIES, "bank_add": 4})
    plan = methods.build("ctt", config.params.model_dump())
    where = layout(plan, workers, placement)
    accelerator = make_accelerator("no", world=workers)
    engine = Engine(plan, config, accelerator, classes=CLASSES, labelled_images=100, world=World(where, rank))
    for queue in engine.banks.by_teacher.values():
        rows = torch.nn.functional.normalize(torch.randn(queue.rows_KND.shape), dim=2)
        queue.push(rows, torch.ones(rows.shape[:2], dtype=torch.bool))
    engine.banks.push({}, 0)
    labelled, unlabelled = (share(samples(seed), where.share(rank), where.shares) for seed in (0, 1))
    taken = []
    for _ in range(STEPS):
        begun, sent = time.perf_counter(), engine.world.peers.sent
        engine.step(Batch(labelled, unlabelled))
        taken.append(time.perf_counter() - begun)
    if rank == 0:
        Path(out).write_text(
            json.dumps({"seconds": statistics.median(taken[1:]), "bytes": engine.world.peers.sent - sent})
        )
    if workers > 1:
        dist.destroy_process_group()


def measured(workers: int, placement: Placement) -> dict[str, float]:
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        out = f"{folder}/found.json"
        torch.multiprocessing.spawn(work, args=(workers, placement, port, out), nprocs=workers)
        found: dict[str, float] = json.loads(Path(out).read_text())
        return found


def main() -> None:
    small = -(-CROP // 4)  # DeepLabV3+ answers at a quarter
    setting = Setting(
        "", IMAGES, (CROP, CROP), (small, small), CLASSES, 0, 0,
        dim=int(VALUES["feature_dim"]), take=4, max_queries=QUERIES,
    )  # fmt: skip
    expected = exchanged(setting, IMAGES)
    found = {where: measured(*where) for where in LAYOUTS}
    counted = found[2, "spread"]["bytes"]
    print(f"bytes a worker hands over in a step, two pairs spread over two workers, {IMAGES}+{IMAGES} crops of {CROP}²")
    for name, value in expected.items():
        print(f"  {name:<34} {value:>9}")
    print(f"  {'all, by the formula':<34} {sum(expected.values()):>9}\n  {'counted in a step':<34} {counted:>9}")
    alone = found[1, "together"]["seconds"]
    for (workers, placement), result in found.items():
        seconds = result["seconds"]
        print(f"  {workers} worker(s), {placement:<9} {seconds:6.3f} s a step, {alone / seconds:.2f} times one worker")
    assert counted == sum(expected.values()), "the formula of scaling.py does not tell what travels"


if __name__ == "__main__":
    main()
