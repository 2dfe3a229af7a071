"""What a student minimises in a step: supervised loss, routes, terms, each weighted and measured.  docs/equations.md"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from ctt_ray.config import OptimConfig
from ctt_ray.engine.diagnostics import Meter
from ctt_ray.engine.routes import on_labelled, route_loss
from ctt_ray.engine.shares import Shares
from ctt_ray.engine.terms import ON_LABELS, TERMS, StepView
from ctt_ray.engine.views import Target, teach
from ctt_ray.engine.world import Group
from ctt_ray.maths import labels, losses
from ctt_ray.nets import NetOut
from ctt_ray.plan import CONTRASTS, Plan, Route, Stage


class Objectives:
    """The losses of a plan's students. Remembers nothing.

    class_weight_K: of the supervised loss · look: a teacher's output, without gradient, on an image · data: the workers that
    share a batch: every loss is this worker's share of theirs."""

    def __init__(
        self,
        plan: Plan,
        optim: OptimConfig,
        *,
        meter: Meter,
        shares: Shares,
        data: Group,
        class_weight_K: Tensor | None,
        look: Callable[[str, Tensor], NetOut],
    ) -> None:
        self._plan, self._optim, self._meter, self._shares, self._data = plan, optim, meter, shares, data
        self._class_weight_K, self._look = class_weight_K, look

    def of(self, name: str, view: StepView, *, stage: Stage, unlabelled: bool, contrasts: bool) -> Tensor | None:
        """This worker's share of one student's loss, times their number because DDP averages gradients over workers. None for
        one that learns from nothing in this step.

        unlabelled: whether this step learns from unlabelled images · contrasts: whether the banks are open."""
        parts: list[Tensor] = []
        if name in self._plan.learn_from_labels:
            supervised = self._supervised(view.labelled[name], view.label_BHW)
            parts.append(self._plan.supervised_weight * self._measured(f"{name}/sup", supervised))
        if unlabelled:
            parts += [
                route.weight * self._measured(route_key(self._plan, route), self._routed(route, view, stage))
                for route in self._plan.routes
                if route.learner == name and route.weight > 0
            ]
        parts += [
            term.weight * self._measured(f"{name}/{term.name}", TERMS[term.name](view, term))
            for term in self._plan.terms
            if term.learner == name
            and (unlabelled or term.name in ON_LABELS)
            and (contrasts or term.name not in CONTRASTS)
        ]
        return sum(parts[1:], parts[0]) * self._data.size if parts else None

    def target(self, route: Route, view: StepView) -> Target:
        """What the source says of the learner's view: mixed from the weak view, or of what it sees itself."""
        if route.source_view == "same":
            out = view.outs[route.view][route.source]
            return teach(out.logits_BKhw, view.sights.padding(route.view), soft=route.loss == "mse")
        target = view.sights.targets[route.view][route.source]
        if route.gate != "reweight":
            return target
        again = self._look(route.source, view.sights.image(route.view, route.learner))
        sure = teach(again.logits_BKhw, view.sights.padding(route.view))
        return replace(target, conf_BHW=sure.conf_BHW)

    def _measured(self, key: str, value: Tensor) -> Tensor:
        self._meter.add(key, value)
        return value

    def _supervised(self, out: NetOut, label_BHW: Tensor) -> Tensor:
        logits_BKHW = labels.upsample(out.logits_BKhw, (label_BHW.shape[-2], label_BHW.shape[-1]))
        if self._optim.ohem_keep is None:
            value, count = losses.cross_entropy(logits_BKHW, label_BHW, class_weight_K=self._class_weight_K)
        else:
            value, count = losses.ohem(
                logits_BKHW,
                label_BHW,
                keep=self._optim.ohem_keep,
                threshold=self._optim.ohem_threshold,
                class_weight_K=self._class_weight_K,
            )
        return losses.ratio(value, self._data.total(count))

    def _routed(self, route: Route, view: StepView, stage: Stage) -> Tensor:
        """The route's loss on the unlabelled images, and on the labelled ones if it is on all."""
        target, threshold_K = self.target(route, view), None
        if route.gate == "class_share":
            threshold_K = self._shares.threshold_K(route.source, stage.keep)
        out = view.outs[route.view][route.learner]
        value = route_loss(route, out, target, self._data, threshold_K=threshold_K)
        if route.on == "all":
            mine, theirs = view.labelled[route.learner], view.labelled[route.source]
            value = value + on_labelled(route, mine, theirs, view.label_BHW, self._data)
        return value


def route_key(plan: Plan, route: Route) -> str:
    """Names the route's loss in the metrics; the view where one source labels a student twice."""
    twins = [r for r in plan.routes if (r.learner, r.source) == (route.learner, route.source)]
    return f"{route.learner}<-{route.source}" + (f"/{route.view}" if len(twins) > 1 else "") + "/ct"
