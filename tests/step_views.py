"""One step as terms see it, taken out of a real engine before anybody learns; and the same step shared by two workers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from tiny_runs import make_samples
from torch import Tensor

from ctt_ray.batch import Batch
from ctt_ray.engine import Engine
from ctt_ray.engine.terms import StepView
from ctt_ray.nets import NetOut
from ctt_ray.plan import Term


def one_view(engine: Engine, number: int = 0, *, count: int = 2, progress: float = 0.5) -> StepView:
    """The view of one step of `engine`, whose networks stay as they are."""
    found: list[StepView] = []
    engine._learn = lambda turn, view: found.append(view)  # type: ignore[method-assign]
    engine.beside.learn = lambda view, unlabelled: {}  # type: ignore[method-assign]
    engine.step(Batch(make_samples(number, count), make_samples(500 + number, count, padding=True)))
    del engine._learn, engine.beside.learn  # the class's own again
    return replace(found[0], progress=progress)


def term_of(engine: Engine, name: str, **options: float) -> Term:
    """The first term of that name in the engine's plan, with options replaced."""
    term = next(term for term in engine.plan.terms if term.name == name)
    return replace(term, options={**term.options, **options})


class _Part:
    """Some images of a batch's sights."""

    def __init__(self, whole: Any, part: slice) -> None:
        self._whole, self._part = whole, part

    def image(self, view: Any, student: str) -> Tensor:
        return self._whole.image(view, student)[self._part]

    def padding(self, view: Any) -> Tensor:
        return self._whole.padding(view)[self._part]


class _Worker:
    """A group of two whose totals are what both handed over the last time this was run."""

    def __init__(self, index: int) -> None:
        self.index, self.size, self.handed, self.known = index, 2, [], []

    def total(self, value: Tensor) -> Tensor:
        self.handed.append(value.detach().clone())
        place = len(self.handed) - 1
        return self.known[place] if place < len(self.known) else value.detach()


def shared_by_two(view: StepView, loss: Callable[[StepView], Tensor]) -> list[Tensor]:
    """The shares of two workers that hold half of the batch each. Totals of totals settle after a few rounds."""
    half = len(view.image_l_B3HW) // 2
    workers = [_Worker(0), _Worker(1)]
    views = [_half(view, part, worker) for part, worker in zip((slice(half), slice(half, None)), workers, strict=True)]
    for _ in range(4):
        shares = [loss(half_view) for half_view in views]
        totals = [a + b for a, b in zip(*(worker.handed for worker in workers), strict=True)]
        for worker in workers:
            worker.known, worker.handed = totals, []
    return shares


def _half(view: StepView, part: slice, worker: _Worker) -> StepView:
    def cut(outs: Any) -> dict[str, NetOut]:
        return {name: NetOut(*(entry[part] for entry in out)) for name, out in outs.items()}

    return replace(
        view,
        labelled=cut(view.labelled),
        outs={seen: cut(outs) for seen, outs in view.outs.items()},
        image_l_B3HW=view.image_l_B3HW[part],
        label_BHW=view.label_BHW[part],
        label_Bhw=view.label_Bhw[part],
        sights=_Part(view.sights, part),
        data=worker,
        draws=lambda use: torch.Generator().manual_seed(0),
    )
