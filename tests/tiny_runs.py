"""Tiny runs for the engine's tests: a narrow network, painted images, everything from explicit seeds."""

from collections.abc import Callable
from typing import Any

import torch

from ctt_ray import methods
from ctt_ray.batch import Batch, Samples
from ctt_ray.config import RunConfig, with_values
from ctt_ray.engine import Engine
from ctt_ray.engine.accelerator import make_accelerator
from ctt_ray.maths import contrast
from ctt_ray.maths.bank import ClassBank
from ctt_ray.plan import Plan

CLASSES = 3
SIZE = 32
TINY: dict[str, Any] = {
    "backbone": "mobilenet_v2", "width": 0.25, "feature_dim": 8, "crop": (SIZE, SIZE), "iterations": 40, "lr": 0.01,
    "n_q": 4, "phi": 0.36, "ema_decay": 0.6, "bank_add": 2, "aux_width": 8,
}  # fmt: skip


def make_engine(method: str = "ctt", change: Callable[[Plan], Plan] = lambda plan: plan, **values: Any) -> Engine:
    """An engine of `method` with fields replaced by name; `change` may alter its plan."""
    config = with_values(RunConfig(method=method), {**TINY, **values})
    plan = change(methods.build(method, config.params.model_dump()))
    return Engine(plan, config, make_accelerator(config.precision, world=1), classes=CLASSES, labelled_images=8)


def make_samples(number: int, count: int = 2, *, padding: bool = False) -> Samples:
    """Squares of one class on a ground of another, coloured by class with noise."""
    generator = torch.Generator().manual_seed(number)
    label = (
        torch.randint(0, CLASSES, (count, 4, 4), generator=generator)
        .repeat_interleave(SIZE // 4, 1)
        .repeat_interleave(SIZE // 4, 2)
    )
    shade = torch.tensor([[200, 40, 40], [40, 200, 40], [40, 40, 200]])[label].permute(0, 3, 1, 2)
    image = (shade + torch.randint(-40, 41, shade.shape, generator=generator)).clamp(0, 255).to(torch.uint8)
    label = label.to(torch.uint8)
    label[:, :3] = 254 if padding else 255
    return Samples(image, label, torch.arange(count) + 1000 * number, torch.arange(count) + count * number)


def make_batch(number: int, *, unlabelled: bool = True) -> Batch:
    return Batch(make_samples(number), make_samples(500 + number, 2 if unlabelled else 0, padding=True))


def nearly_fill(queues: list[ClassBank]) -> None:
    """All queues full but one row of class 0: the gate is shut, and opens at the first correct pixel of that class."""
    fill(queues, missing=1)


def fill(queues: list[ClassBank], *, missing: int = 0) -> None:
    """Unit rows in every queue; `missing` rows are left out of class 0."""
    generator = torch.Generator().manual_seed(0)
    for queue in queues:
        classes, slots, dim = queue.rows_KND.shape
        rows = contrast.normalise(torch.randn(classes, slots, dim, generator=generator), dim=2)
        valid = torch.ones(classes, slots, dtype=torch.bool)
        valid[0, slots - missing :] = False
        queue.push(rows, valid)


def open_gate(engine: Engine) -> None:
    """As after many steps: every queue full, contrast on."""
    fill(list(engine.banks.by_teacher.values()))
    engine.banks.push({}, engine.iteration)


def parameters(engine: Engine) -> dict[str, torch.Tensor]:
    """A copy of each network's parameters as one vector."""
    return {name: torch.cat([p.detach().flatten() for p in net.parameters()]) for name, net in engine.networks.items()}


def same_state(one: Engine, other: Engine) -> bool:
    """Networks with buffers, optimisers, banks, networks beside, gate and iteration are bitwise equal."""
    states = []
    for engine in (one, other):
        beside = {f"aux {name}": net for name, net in engine.beside.nets.items()}
        modules = {**engine.networks, **engine.banks.by_teacher, **beside, "shares": engine.shares}
        tensors = {
            f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()
        }
        for name, optimiser in {**engine.optimisers, **engine.beside.optimisers}.items():
            for index, entry in optimiser.state_dict()["state"].items():
                tensors |= {
                    f"{name}.sgd.{index}.{key}": value for key, value in entry.items() if torch.is_tensor(value)
                }
        states.append((tensors, engine.iteration, engine.banks.opened_at))
    (a, *rest_a), (b, *rest_b) = states
    return rest_a == rest_b and a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
