"""Two processes that share a batch take the step of one that has it whole: all four losses on, banks and gate included.

BatchNorm is frozen and dropout off, since both look at one worker's images only; the mixer is off since it pairs
neighbours in a worker's batch. What is left is the order of float32 sums.
"""

import os
import socket
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load_file
from tiny_runs import CLASSES, TINY, make_samples, open_gate

from ctt_ray import methods
from ctt_ray.batch import Batch, Samples
from ctt_ray.config import RunConfig, with_values
from ctt_ray.engine import Engine
from ctt_ray.engine.accelerator import make_accelerator

STEPS, IMAGES = 3, 4
# A float32 sum over the N = 4·32·32 pixels of a batch differs by about sqrt(N)·6e-8 ≈ 4e-6 of its size when its order
# changes, and three steps pass that on. Measured: 1.3e-5 of a tensor's largest value. A wrong denominator, a missing
# worker's rows or a gradient that is not averaged is off by 1e-1 and more.
TOLERANCE = 1e-4
VALUES = {"freeze_bn": True, "dropout": 0.0, "mixer": "none", "pairs": 2, "phi": 0.34}


def whole_batch(t: int) -> Batch:
    return Batch(make_samples(t, IMAGES), make_samples(700 + t, IMAGES, padding=True))


def share(samples: Samples, rank: int, world: int) -> Samples:
    pick = slice(rank, None, world)
    return Samples(samples.image_B3HW[pick], samples.label_BHW[pick], samples.key_B[pick], samples.number_B[pick])


def train(rank: int, world: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    if world > 1:
        os.environ |= {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
        dist.init_process_group("gloo")
    config = with_values(RunConfig(), {**TINY, **VALUES})
    plan = methods.build("ctt", config.params.model_dump())
    engine = Engine(plan, config, make_accelerator("no", world=world), classes=CLASSES, labelled_images=8)
    open_gate(engine)
    for t in range(STEPS):
        batch = whole_batch(t)
        engine.step(Batch(share(batch.labelled, rank, world), share(batch.unlabelled, rank, world)))
    seen = engine.meter.read()
    assert seen["s0/contrast_high"] > 0
    assert seen["s0/contrast_low"] > 0
    if rank == 0:
        engine.save(Path(folder), {"seen": seen})
    if world > 1:
        dist.destroy_process_group()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_two_workers_equal_one_with_the_doubled_batch(tmp_path: Path) -> None:
    """Students, momenta (the gradients' sum), teachers and banks after three steps."""
    train(0, 1, 0, str(tmp_path / "one"))
    torch.multiprocessing.spawn(train, args=(2, free_port(), str(tmp_path / "two")), nprocs=2)
    worst = 0.0
    names = sorted(path.name for path in (tmp_path / "one").glob("*.safetensors"))
    assert any("optim" in name for name in names)
    for name in names:
        one, two = load_file(tmp_path / "one" / name), load_file(tmp_path / "two" / name)
        assert one.keys() == two.keys()
        for key, value in one.items():
            if not value.is_floating_point():
                assert torch.equal(value, two[key]), f"{name}: {key}"
                continue
            gap = float((value - two[key]).abs().max() / value.abs().max().clamp(min=1e-6))
            worst = max(worst, gap)
            assert gap <= TOLERANCE, f"{name}: {key} differs by {gap:.1e} of its largest value"
    assert worst > 0, "bitwise equal: were there two processes at all?"
