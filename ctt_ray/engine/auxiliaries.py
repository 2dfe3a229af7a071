"""Trained networks beside the students: what kinds there are, how each is built and how it learns.

One without a loss of its own learns from its learner's terms, in the same backward pass. One with a loss of its own gets no
gradient from terms and is updated after the students, on what they gave out in the same step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ctt_ray.engine.terms import StepView
from ctt_ray.engine.terms.corrector import corrector_loss
from ctt_ray.engine.terms.flaws import flaw_detector_loss
from ctt_ray.engine.terms.image_critic import image_critic_loss
from ctt_ray.engine.terms.pixel_critic import pixel_critic_loss
from ctt_ray.engine.world import Group
from ctt_ray.nets import SegNet
from ctt_ray.nets.auxiliary.auxiliary_decoders import AuxiliaryDecoders
from ctt_ray.nets.auxiliary.class_head import ClassHead
from ctt_ray.nets.auxiliary.corrector import Corrector
from ctt_ray.nets.auxiliary.flaw_detector import FlawDetector
from ctt_ray.nets.auxiliary.image_critic import ImageCritic
from ctt_ray.nets.auxiliary.pixel_critic import PixelCritic
from ctt_ray.nets.auxiliary.projection import CrossSetHead, MemoryHeads, Projection
from ctt_ray.plan import Auxiliary, Plan


@dataclass(frozen=True)
class Shape:
    """What an auxiliary has to fit: classes K, channels of the head's features and of the backbone's last ones."""

    classes: int
    feature_dim: int
    high_channels: int

    @classmethod
    def of(cls, student: nn.Module, classes: int) -> Shape:
        assert isinstance(student, SegNet)
        return cls(classes, student.head.classifier.in_channels, student.backbone.high_channels)


@dataclass(frozen=True)
class Kind:
    """build: with initial weights from torch's generator.   loss: this worker's share, from outputs that it detaches itself.
    on_labels: learns from labelled images alone, so it does in a warm-up too, and is ready when its word counts."""

    build: Callable[[Shape, Auxiliary], nn.Module]
    loss: Callable[[StepView, Auxiliary], Tensor] | None = None
    on_labels: bool = False


def _width(spec: Auxiliary) -> int:
    return int(spec.options["width"] or 0)


KINDS: dict[str, Kind] = {
    "corrector": Kind(lambda shape, spec: Corrector(shape.classes, _width(spec)), corrector_loss, on_labels=True),
    "flaw_detector": Kind(
        lambda shape, spec: FlawDetector(shape.classes, _width(spec)), flaw_detector_loss, on_labels=True
    ),
    "image_critic": Kind(lambda shape, spec: ImageCritic(shape.classes, _width(spec)), image_critic_loss),
    "pixel_critic": Kind(lambda shape, spec: PixelCritic(shape.classes, _width(spec)), pixel_critic_loss),
    "auxiliary_decoders": Kind(lambda shape, spec: AuxiliaryDecoders(shape.feature_dim, shape.classes)),
    "class_head": Kind(lambda shape, spec: ClassHead(shape.high_channels, shape.classes), on_labels=True),
    "cross_set_head": Kind(
        lambda shape, spec: CrossSetHead(
            shape.high_channels, shape.classes, outputs=shape.feature_dim, share=float(spec.options["share"] or 0)
        )
    ),
    "memory_heads": Kind(lambda shape, spec: MemoryHeads(shape.feature_dim, shape.classes)),
    "projection": Kind(lambda shape, spec: Projection(shape.feature_dim, shape.feature_dim)),
}
SEED = 7919  # apart from the students' seeds


class Auxiliaries:
    """All of a plan's, with an Adam each. In the checkpoint under their names."""

    def __init__(self, plan: Plan, shape: Shape, accelerator: Accelerator, data: Group, *, seed: int) -> None:
        self._specs = {spec.name: spec for spec in plan.auxiliaries}
        self._accelerator, self._data = accelerator, data
        self.nets: dict[str, nn.Module] = {}
        self.optimisers: dict[str, Any] = {}
        for place, spec in enumerate(plan.auxiliaries):
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed((seed + 1) * SEED + place)
                net = KINDS[spec.kind].build(shape, spec)
            self.nets[spec.name] = net.to(accelerator.device)
            groups = [{"params": list(net.parameters()), "lr": spec.lr, "base_lr": spec.lr}]
            self.optimisers[spec.name] = accelerator.prepare(torch.optim.Adam(groups, betas=(0.9, 0.99)))

    def __bool__(self) -> bool:
        return bool(self._specs)

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Inside, those with a loss of their own ask for no gradient: students learn from them, they do not."""
        frozen = [p for name, net in self.nets.items() if self._own_loss(name) for p in net.parameters()]
        for parameter in frozen:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in frozen:
                parameter.requires_grad_(True)

    def learn(self, view: StepView, *, unlabelled: bool) -> Mapping[str, Tensor]:
        """Update all that learn in this step; the values of their own losses.   unlabelled: whether it has such images."""
        values: dict[str, Tensor] = {}
        for name, net in self.nets.items():
            if not unlabelled and not KINDS[self._specs[name].kind].on_labels:
                continue
            if loss := self._own_loss(name):
                values[name] = loss(view, self._specs[name])
                self._accelerator.backward(values[name] * self._data.size)
            self._average(net)
            self.optimisers[name].step()
            self.optimisers[name].zero_grad()
        self._data.average_buffers_(self.nets.values())
        return values

    def _own_loss(self, name: str) -> Callable[[StepView, Auxiliary], Tensor] | None:
        return KINDS[self._specs[name].kind].loss

    def _average(self, net: nn.Module) -> None:
        """Gradients become their mean over the workers, as DDP makes those of the students."""
        gradients = [p.grad for p in net.parameters() if p.grad is not None]
        if self._data.size == 1 or not gradients:
            return
        flat = self._data.total(torch.cat([g.flatten() for g in gradients])) / self._data.size
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
