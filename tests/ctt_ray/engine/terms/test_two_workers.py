"""Two workers with half of the images each take the steps of one process, where a term draws nothing by worker."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from tiny_runs import CLASSES, TINY, make_samples, open_gate

from ctt_ray import methods
from ctt_ray.batch import Batch, Samples
from ctt_ray.config import RunConfig, with_values
from ctt_ray.engine import Engine
from ctt_ray.engine.accelerator import make_accelerator
from ctt_ray.engine.world import World
from ctt_ray.placement import layout

METHODS = ("pseudoseg", "semiseg_contrastive")
SETTINGS = {**TINY, "freeze_bn": True, "dropout": 0.0, "mixer": "none", "aux_threshold": 0.0}


def share(samples: Samples, rank: int, workers: int) -> Samples:
    pick = slice(rank, None, workers)
    return Samples(samples.image_B3HW[pick], samples.label_BHW[pick], samples.key_B[pick], samples.number_B[pick])


def work(rank: int, workers: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if workers > 1:
        os.environ |= {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(workers), "LOCAL_WORLD_SIZE": str(workers),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
        dist.init_process_group("gloo")
    for method in METHODS:
        config = with_values(RunConfig(method=method), SETTINGS)
        plan = methods.build(method, config.params.model_dump())
        world = World(layout(plan, workers, "together"), rank)
        accelerator = make_accelerator(config.precision, world=workers)
        engine = Engine(plan, config, accelerator, classes=CLASSES, labelled_images=8, world=world)
        open_gate(engine)
        for t in range(3):
            parts = (make_samples(t, 4), make_samples(700 + t, 4, padding=True))
            engine.step(Batch(*(share(part, rank, workers) for part in parts)))
        if engine.writes:
            engine.save(Path(folder) / method, {})
    if workers > 1:
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    found = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    for workers, folder in enumerate(found, start=1):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        torch.multiprocessing.spawn(work, args=(workers, port, str(folder)), nprocs=workers)
    return found


@pytest.mark.parametrize("method", METHODS)
def test_two_workers_take_the_steps_of_one(folders: tuple[Path, Path], method: str) -> None:
    one, two = (folder / method for folder in folders)
    names = sorted(path.name for path in one.glob("*.safetensors"))
    assert any(name.startswith("aux_") for name in names)
    assert names == sorted(path.name for path in two.glob("*.safetensors"))
    for name in names:
        ours, theirs = load_file(one / name), load_file(two / name)
        for key, value in ours.items():
            torch.testing.assert_close(theirs[key], value, rtol=1e-6, atol=1e-9, msg=lambda m, k=key: f"{k}: {m}")
