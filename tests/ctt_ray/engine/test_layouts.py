"""However the pairs are placed, the steps are those of one process with the whole batch: all four losses on, banks and gate
included, for two and three pairs.

Where workers hold different images BatchNorm is frozen and dropout off, since both look at one worker's images only, and the
mixer is off since it pairs neighbours in a worker's batch. What is left is the order of sums.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
from ctt_ray.engine.reported import measured
from ctt_ray.engine.world import World
from ctt_ray.placement import Placement, layout

IMAGES = 4
NAMES = tuple("abc"[:CLASSES])
# A float32 sum over the N = 4·32·32 pixels of a batch differs by about sqrt(N)·6e-8 ≈ 4e-6 of its size when its order
# changes, and three steps pass that on. Measured: 1.3e-5 of a tensor's largest value. A wrong denominator, a missing
# worker's rows or a gradient that is not averaged is off by 1e-1 and more.
FLOAT32 = 1e-4
FLOAT64 = 1e-10
SHARED: dict[str, Any] = {"freeze_bn": True, "dropout": 0.0, "mixer": "none", "phi": 0.34}
EVERYTHING: dict[str, Any] = {
    "dropout": 0.2,
    "mixer": "classmix",
    "phi": 0.34,
    "max_queries": 40,
    "colour_per_student": True,
}


def whole_batch(t: int) -> Batch:
    return Batch(make_samples(t, IMAGES), make_samples(700 + t, IMAGES, padding=True))


def share(samples: Samples, index: int, shares: int) -> Samples:
    pick = slice(index, None, shares)
    return Samples(samples.image_B3HW[pick], samples.label_BHW[pick], samples.key_B[pick], samples.number_B[pick])


@dataclass(frozen=True)
class Case:
    """One run; with `shared` False nothing is switched off.   steps: first, and the one it ends before.   before: the run
    whose checkpoint it goes on from."""

    pairs: int
    workers: int
    placement: Placement
    dtype: torch.dtype = torch.float64
    shared: bool = True
    changes: tuple[tuple[str, Any], ...] = ()
    steps: tuple[int, int] = (0, 3)
    before: Case | None = None

    @property
    def values(self) -> dict[str, Any]:
        return {**(SHARED if self.shared else EVERYTHING), "pairs": self.pairs, **dict(self.changes)}

    @property
    def alone(self) -> Case:
        """The same in one process, uninterrupted."""
        return replace(self, workers=1, placement="together", steps=(0, self.steps[1]), before=None)

    def __str__(self) -> str:
        kind = f"{self.placement}_{self.workers}"
        if self.before is not None:
            return f"{self.before.placement}_{self.before.workers}-then-{kind}"
        everything = "" if self.shared else "".join(["-everything", *(f"-{name}" for name, _ in self.changes)])
        return f"{self.pairs}_pairs-{kind}-{str(self.dtype)[6:]}-{self.steps[1]}_steps{everything}"


EXACT = [
    Case(2, 2, "together"), Case(2, 4, "together"), Case(3, 2, "together"), Case(2, 2, "spread"), Case(2, 4, "spread"),
    Case(3, 3, "spread"), Case(3, 6, "spread"),
]  # fmt: skip
ROUNDED = [replace(case, dtype=torch.float32) for case in (Case(2, 2, "together"), Case(2, 4, "spread"))]
BITWISE = [
    replace(case, dtype=torch.float32, shared=False)
    for case in (
        Case(2, 2, "spread"),
        Case(3, 3, "spread"),
        Case(
            2,
            2,
            "spread",
            changes=(("bank_gate", "present_classes"), ("bank_teacher", "step_start"), ("warmup", 0.025)),
        ),
        Case(2, 2, "spread", changes=(("joint_forward", True), ("bank_select", "random"), ("ema_buffers", "own"))),
        Case(
            2,
            2,
            "spread",
            changes=(("contrast_conf", "cross_teacher"), ("ct_gate", "batch_fraction"), ("max_queries", None)),
        ),
        Case(2, 2, "spread", changes=(("precision", "bf16"),)),
        Case(2, 2, "spread", changes=(("lambda_hc", 0.0), ("lambda_lc", 0.0))),
    )
]
ON_GPUS = [*ROUNDED, replace(Case(3, 3, "spread"), dtype=torch.float32)]
LAYOUTS: list[tuple[int, Placement]] = [(1, "together"), (2, "together"), (2, "spread"), (4, "spread")]
HALVES = [Case(2, *where, steps=(0, 2)) for where in LAYOUTS]
RESUMED = [Case(2, *where, steps=(2, 4), before=half) for half in HALVES for where in LAYOUTS]
FRESH = {*EXACT, *ROUNDED, *BITWISE, *HALVES}
CASES = sorted({*FRESH, *RESUMED, *(case.alone for case in (*FRESH, *RESUMED))}, key=str)


def work(rank: int, workers: int, resumed: bool, device: str, port: int, folder: str) -> None:
    """One of the workers, which take the runs of all cases of so many workers, each into a folder of its name."""
    torch.set_num_threads(1)
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if workers > 1:
        os.environ |= {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(workers), "LOCAL_WORLD_SIZE": str(workers),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
        dist.init_process_group("nccl" if torch.cuda.device_count() >= workers else "gloo")
    cases = CASES if device == "cpu" else [*ON_GPUS, *(case.alone for case in ON_GPUS)]
    for case in dict.fromkeys(cases):
        if case.workers == workers and (case.before is not None) == resumed:
            torch.set_default_dtype(case.dtype)
            train(rank, case, Path(folder))
            torch.set_default_dtype(torch.float32)
    if workers > 1:
        dist.destroy_process_group()


def train(rank: int, case: Case, folder: Path) -> None:
    config = with_values(RunConfig(), {**TINY, **case.values})
    plan = methods.build("ctt", config.params.model_dump())
    where = layout(plan, case.workers, case.placement)
    assert where.spread == (case.placement == "spread"), where
    accelerator = make_accelerator(config.precision, world=case.workers)
    engine = Engine(plan, config, accelerator, classes=CLASSES, labelled_images=8, world=World(where, rank))
    assert len(engine.students) == (1 if where.spread else len(plan.students))
    if case.before is None:
        open_gate(engine)
    else:
        engine.load(folder / str(case.before))
    for t in range(*case.steps):
        batch = whole_batch(t)
        parts = (share(part, where.share(rank), where.shares) for part in (batch.labelled, batch.unlabelled))
        engine.step(Batch(*parts))
    seen = measured(engine, NAMES)
    for term in plan.terms if case.before is None else ():  # after two steps these networks are sure everywhere
        assert seen[f"{term.learner}/{term.name}"] > 0
    if engine.writes:
        engine.save(folder / str(case), {"seen": seen})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def worst_gap(one: Path, other: Path) -> float:
    """Of all tensors of two checkpoints, relative to each one's largest value; integers have to be equal."""
    worst = 0.0
    names = sorted(path.name for path in one.glob("*.safetensors"))
    assert any("optim" in name for name in names)
    assert names == sorted(path.name for path in other.glob("*.safetensors"))
    for name in names:
        ours, theirs = load_file(one / name), load_file(other / name)
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            if not value.is_floating_point():
                assert torch.equal(value, theirs[key]), f"{name}: {key}"
                continue
            assert value.isfinite().all() and theirs[key].isfinite().all(), f"{name}: {key}"
            worst = max(worst, float((value - theirs[key]).abs().max() / value.abs().max().clamp(min=1e-6)))
    return worst


class Runs:
    """The checkpoints of cases. Workers are started once for each number of them, for starting costs more than the steps."""

    def __init__(self, folder: Path, device: str) -> None:
        self.folder, self.device = folder, device
        self.done: set[tuple[int, bool]] = set()

    def __call__(self, case: Case) -> Path:
        if case.before is not None:
            for half in HALVES:  # workers that resume read all of them
                self(half)
        kind = (case.workers, case.before is not None)
        if kind not in self.done:
            arguments = (*kind, self.device, free_port(), str(self.folder))
            torch.multiprocessing.spawn(work, args=arguments, nprocs=case.workers)
            self.done.add(kind)
        return self.folder / str(case)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("cases"), "cpu")


@pytest.fixture(scope="module")
def run_on_gpus(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("gpus"), "cuda")


@pytest.mark.parametrize("case", EXACT, ids=str)
def test_every_layout_takes_the_steps_of_one_process(run: Runs, case: Case) -> None:
    """Students, momenta (the gradients' sum), teachers and banks after three steps, in float64."""
    assert worst_gap(run(case.alone), run(case)) <= FLOAT64


@pytest.mark.parametrize("case", ROUNDED, ids=str)
def test_in_float32_only_the_order_of_sums_differs(run: Runs, case: Case) -> None:
    gap = worst_gap(run(case.alone), run(case))
    assert 0 < gap <= FLOAT32, "0 means that there were no other processes at all"


@pytest.mark.parametrize("case", BITWISE, ids=str)
def test_a_pair_a_worker_is_bit_for_bit_one_process(run: Runs, case: Case) -> None:
    """BatchNorm in training, dropout, ClassMix, query caps and a colour for each student."""
    assert worst_gap(run(case.alone), run(case)) == 0


@pytest.mark.parametrize("case", EXACT, ids=str)
def test_every_layout_reports_the_same(run: Runs, case: Case) -> None:
    """Losses, what teachers said, how alike networks are: up to float32, in which they are summed."""
    alone, found = (json.loads((run(each) / "state.json").read_text())["extra"]["seen"] for each in (case.alone, case))
    assert found == pytest.approx(alone, rel=1e-4, abs=1e-6)
    pairs = [f"pairs/distance/s{a}-s{b}" for a in range(case.pairs) for b in range(a + 1, case.pairs)]
    expected = {*pairs, "pseudo/never", "pseudo/predicted/a", "pseudo/confidence/0.4", "follow/disagree/s1-t1"}
    assert expected <= found.keys() and all(found[pair] > 0 for pair in pairs)


@pytest.mark.parametrize("case", RESUMED, ids=str)
def test_a_checkpoint_goes_on_in_any_layout(run: Runs, case: Case) -> None:
    """Two steps in one layout and two in another are four in one process, learning rate and draws included."""
    assert worst_gap(run(case.alone), run(case)) <= FLOAT64


@pytest.mark.gpu
@pytest.mark.parametrize("case", ON_GPUS, ids=str)
def test_gpus_take_the_steps_of_one_process(run_on_gpus: Runs, case: Case) -> None:
    """With NCCL where every worker has a GPU, with gloo where they share one. Convolutions choose their algorithm by the
    size of the batch, so a GPU adds rounding of its own: ten times that of the order of sums."""
    assert torch.cuda.is_available(), "no CUDA device here"
    assert worst_gap(run_on_gpus(case.alone), run_on_gpus(case)) <= 10 * FLOAT32
