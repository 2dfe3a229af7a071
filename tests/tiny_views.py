"""A step as an extra loss sees it, made of given outputs: no engine, no backbone."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from ctt_ray.engine.terms import StepView
from ctt_ray.engine.views import Target
from ctt_ray.maths import draws, labels
from ctt_ray.maths.bank import ClassBank
from ctt_ray.nets import NetOut

B, K, D, C, SMALL, LARGE = 2, 3, 6, 5, 4, 8  # logits at 4 x 4, images at 8 x 8, the backbone's map at 2 x 2


def outputs(seed: int) -> NetOut:
    """Leaves: gradients of a loss show where it reaches."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((B, K, SMALL, SMALL), (B, D, SMALL, SMALL), (B, C, SMALL // 2, SMALL // 2))
    return NetOut(*(torch.randn(shape, generator=generator).requires_grad_() for shape in shapes))


def label_map(seed: int, *, void: int = labels.VOID) -> Tensor:
    """Ids, with a row that is void or padding."""
    found = torch.randint(0, K, (B, LARGE, LARGE), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)
    found[:, :2] = void
    return found


class Totals:
    """A data group of one that keeps what was added up, or one of several that is told: `heard` is the whole's list."""

    def __init__(self, heard: list[Tensor] | None = None, *, size: int = 1) -> None:
        self.said: list[Tensor] = []
        self.heard, self.size, self.index = heard, size, 0

    def total(self, value: Tensor) -> Tensor:
        self.said.append(value.detach())
        return value.detach() if self.heard is None else self.heard[len(self.said) - 1]


def step_view(
    aux: Mapping[str, nn.Module] | None = None,
    *,
    images: slice = slice(None),
    target: Target | None = None,
    weak: NetOut | None = None,
    bank: ClassBank | None = None,
    data: Any = None,
    progress: float = 0.5,
) -> StepView:
    """Student s0 with outputs 1 on labelled and 2 on unlabelled images in every view, teacher t0; `images` of the batch."""
    label_BHW, padding_BHW = label_map(3)[images], (label_map(4, void=labels.PADDING) == labels.PADDING)[images]
    out_l, out_u = (NetOut(*(part[images] for part in outputs(seed))) for seed in (1, 2))
    net: Callable[[str, Tensor], NetOut] = lambda name, image: weak or outputs(5)  # noqa: E731
    sights = SimpleNamespace(
        padding=lambda view: padding_BHW,
        image=lambda view, student: torch.zeros(len(label_BHW), 3, LARGE, LARGE),
        targets={view: {"t0": target} for view in ("strong", "weak")},
    )
    return StepView(
        labelled={"s0": out_l},
        outs={view: {"s0": out_u} for view in ("strong", "weak")},  # type: ignore[misc]
        image_l_B3HW=torch.zeros(len(label_BHW), 3, LARGE, LARGE),
        label_BHW=label_BHW,
        label_Bhw=labels.nearest(label_BHW, (SMALL, SMALL)),
        sights=sights,  # type: ignore[arg-type]
        seen={},
        banks={} if bank is None else {"t0": bank},
        present_K=None,
        aux=aux or {},
        net=net,
        draws=lambda use: draws.generator(7, use),
        data=data or Totals(),
        progress=progress,
    )
