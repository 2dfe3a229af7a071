"""C3-SemiSeg (ICCV 2021): pseudo-labels that pass a threshold of their class."""

from __future__ import annotations

from torch import Tensor

from ctt_ray.engine.terms.view import StepView, number
from ctt_ray.maths import labels, losses, schedules, thresholds
from ctt_ray.nets.auxiliary.projection import CrossSetHead
from ctt_ray.plan import Term


def balanced_labels(view: StepView, term: Term) -> Tensor:
    """Cross-entropy to the teacher's hard labels, mean over those as sure as their class's threshold asks.

    The thresholds, which live in the auxiliary, first move towards this batch's (all workers').   options: ramp, share of the
    run."""
    head, target = view.aux[term.aux], view.sights.targets[term.view][term.teacher]
    assert isinstance(head, CrossSetHead)
    logits_BKhw, size = view.unlabelled(term).logits_BKhw, (target.label_BHW.shape[1], target.label_BHW.shape[2])
    seen = thresholds.histogram(target.label_BHW.flatten(), target.conf_BHW.flatten(), logits_BKhw.shape[1])
    head.thresholds.update(view.data.total(seen))
    passed_BHW = head.thresholds.passes(target.label_BHW, target.conf_BHW)
    total, _ = losses.cross_entropy(labels.upsample(logits_BKhw, size), target.label_BHW, weight_BHW=passed_BHW)
    value = losses.ratio(total, view.data.total(passed_BHW.sum().float()))
    return schedules.ramp_up(view.progress, number(term, "ramp")) * value
