"""The loss of one route: what a student learns from a source's labels, pixel by pixel."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ctt_ray.engine.views import Target, teach
from ctt_ray.engine.world import Group
from ctt_ray.maths import labels, losses
from ctt_ray.nets import NetOut
from ctt_ray.plan import Route


def route_loss(route: Route, out: NetOut, target: Target, data: Group, *, threshold_K: Tensor | None = None) -> Tensor:
    """This worker's share, 0-d; denominators are the whole batch's. Equation (5) where the route has its defaults.

    target: of the route's source, on the learner's view.   threshold_K: of each class, for the gate `class_share`."""
    logits_BKHW = labels.upsample(out.logits_BKhw, (target.label_BHW.shape[-2], target.label_BHW.shape[-1]))
    weight_BHW, count = gate(route, target, data, threshold_K)
    if route.gamma > 0 or route.surer:
        weight_BHW = weight_BHW * dynamic(route, logits_BKHW, target)
    if route.loss == "mse":
        assert target.probs_BKHW is not None
        distance_BHW = (logits_BKHW.softmax(1) - target.probs_BKHW.to(logits_BKHW.dtype)).square().sum(1)
        value = (distance_BHW * weight_BHW).sum()
    else:
        value, _ = losses.cross_entropy(logits_BKHW, target.label_BHW, weight_BHW=weight_BHW)
    if route.denominator == "all":
        count = torch.full_like(count, weight_BHW.numel())
    return losses.ratio(value, data.total(count))


def gate(route: Route, target: Target, data: Group, threshold_K: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """weight_BHW of each pixel, 0 outside the images, and what their sum of losses is divided by."""
    valid_BHW = labels.valid(target.label_BHW)
    if route.gate == "reweight":
        return reweighted(target.conf_BHW, valid_BHW, route.keep)
    if route.gate == "class_share":
        assert threshold_K is not None
        label_BHW = torch.where(valid_BHW, target.label_BHW, 0).long()
        kept_BHW = valid_BHW & (target.conf_BHW >= threshold_K[label_BHW])
        return kept_BHW.float(), kept_BHW.sum().float()
    above, pixels = losses.batch_fraction(target.conf_BHW, valid_BHW, route.threshold)
    weight_BHW = losses.gate_weight(
        target.conf_BHW,
        valid_BHW,
        gate=route.gate,
        threshold=route.threshold,
        counts=(data.total(above), data.total(pixels)),
    )
    return weight_BHW, valid_BHW.sum().float()


def reweighted(conf_BHW: Tensor, valid_BHW: Tensor, keep: float) -> tuple[Tensor, Tensor]:
    """GTA-Seg's weights: 1 + confidence for the surest `keep` of this worker's valid pixels, 0 for the rest, which still count 1
    each in what the sum is divided by (docs/equations.md#gta)."""
    sorted_M = torch.where(valid_BHW, conf_BHW, 2.0).flatten().sort().values  # what does not count sorts last
    valid = valid_BHW.sum()
    dropped = ((1 - keep) * valid).floor().long().clamp(max=len(sorted_M) - 1)
    kept_BHW = valid_BHW & (conf_BHW >= sorted_M.gather(0, dropped[None]))
    weight_BHW = (1 + conf_BHW) * kept_BHW
    return weight_BHW, weight_BHW.sum() + (valid - kept_BHW.sum())


@torch.no_grad()
def dynamic(route: Route, logits_BKHW: Tensor, target: Target) -> Tensor:
    """DMT's weight of each pixel: the learner's own probability of the label to the power gamma; with `surer` 0 where the two
    disagree and the learner is at least as sure."""
    probs_BKHW = logits_BKHW.softmax(1)
    label_B1HW = torch.where(labels.valid(target.label_BHW), target.label_BHW, 0).long()[:, None]
    weight_BHW = probs_BKHW.gather(1, label_B1HW)[:, 0] ** route.gamma
    if route.surer:
        own_BHW, conf_BHW = labels.confidence(logits_BKHW)
        weight_BHW = weight_BHW * ((own_BHW == target.label_BHW) | (target.conf_BHW > conf_BHW))
    return weight_BHW


def on_labelled(route: Route, out: NetOut, source: NetOut, label_BHW: Tensor, data: Group) -> Tensor:
    """The route's loss on the labelled images, where the source's own output is the label (CPS). Every pixel counts, void
    ones too: the true labels are not asked for."""
    padding_BHW = torch.zeros_like(label_BHW, dtype=torch.bool)  # there is none
    target = teach(source.logits_BKhw, padding_BHW, soft=route.loss == "mse")
    return route_loss(replace(route, gate="none"), out, target, data)
