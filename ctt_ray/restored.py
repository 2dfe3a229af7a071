"""Networks out of a checkpoint, to be used: without the run's data, optimisers, initial weights or accelerate."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import nn

from ctt_ray.checkpoints import Which, find
from ctt_ray.config import ConfigError, RunConfig
from ctt_ray.engine import state
from ctt_ray.engine.evaluation import ENSEMBLE
from ctt_ray.engine.networks import build_students, set_mode
from ctt_ray.plan import Plan

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Checkpoint:
    """What stands in a checkpoint's state.json that a user of its networks needs.

    classes, palette and content_hash are of the data set it was trained on; metrics is its run's report at that iteration.
    """

    folder: Path
    iteration: int
    config: RunConfig
    plan: Plan
    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    content_hash: str
    metrics: dict[str, Any]

    @property
    def networks(self) -> tuple[str, ...]:
        return self.plan.students + self.plan.teachers

    @property
    def offered(self) -> tuple[str, ...]:
        """What can be asked for by name: every network, and the mean of the students where there are several."""
        return self.networks + ((ENSEMBLE,) if len(self.plan.learn_from_labels) > 1 else ())

    def check_offered(self, names: Sequence[str]) -> None:
        """Raises ConfigError naming those there are."""
        for name in names:
            if name not in self.offered:
                raise ConfigError(f"no network '{name}' in {self.folder}; there are: {', '.join(self.offered)}")

    def members(self, name: str) -> tuple[str, ...]:
        """The networks whose mean probability `name` stands for: itself, or all students."""
        return self.plan.learn_from_labels if name == ENSEMBLE else (name,)

    @property
    def best_student(self) -> str:
        """By the run's own scores at this iteration; the first one where it was saved without scores."""
        return max(self.plan.learn_from_labels, key=lambda name: float(self.metrics.get(f"miou/{name}", float("-inf"))))


def open_run(run: Path, which: Which = "last") -> Checkpoint:
    """Raises ConfigError for a run without a whole checkpoint or one of another release."""
    folder = find(run, which).folder
    content = state.read(folder)
    try:
        config, plan = state.config_of(content)
        data, metrics = content["extra"]["data"], content["extra"]["metrics"]
        return Checkpoint(
            folder=folder,
            iteration=content["iteration"],
            config=config,
            plan=plan,
            classes=tuple(data["classes"]),
            palette=tuple((int(r), int(g), int(b)) for r, g, b in data["palette"]),
            content_hash=data["content_hash"],
            metrics=metrics,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(_other_release(folder, error)) from None


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def restore(checkpoint: Checkpoint, names: Sequence[str], where: torch.device) -> dict[str, nn.Module]:
    """Networks by name with their weights, in eval mode on `where`. Raises ConfigError for files that do not fit.

    All networks of a run have one architecture, so each is built as if it were a student; initial weights are not needed.
    """
    built = build_students(
        Plan(method="restored", students=tuple(names)),
        checkpoint.config.net.model_copy(update={"init": ("none",)}),
        classes=len(checkpoint.classes),
        seed=0,
    )
    for name, net in built.items():
        try:
            state.load_network(net, checkpoint.folder, name)
        except (RuntimeError, safetensors.SafetensorError, OSError) as error:
            raise ConfigError(_other_release(checkpoint.folder / f"{name}.safetensors", error)) from None
        # As in training, so that a score here is the score there.
        net.to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
        set_mode(net.requires_grad_(False), training=False, batchnorm=False)
    return built


def autocast(config: RunConfig, where: torch.device) -> AbstractContextManager[object]:
    """The run's own precision; fp16 on a CPU is float32, for it would only be slow there."""
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    if config.precision == "no" or (config.precision == "fp16" and where.type == "cpu"):
        return nullcontext()
    return torch.autocast(where.type, dtype=kinds[config.precision])


def _other_release(place: Path, error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{place} does not fit this release ({type(error).__name__}: {first}). Use the release it was trained with."
