"""Entropy minimisation on unlabelled images."""

from __future__ import annotations

import math

from torch import Tensor

from ctt_ray.engine.terms.view import StepView
from ctt_ray.maths import labels, losses
from ctt_ray.plan import Term


def entropy(view: StepView, term: Term) -> Tensor:
    """Mean entropy of the student's pixels, in [0, 1]: divided by log K. At the logits' own size; padding does not count."""
    logits_BKhw = labels.exact(view.unlabelled(term).logits_BKhw)
    inside_Bhw = ~labels.nearest(view.sights.padding(term.view), (logits_BKhw.shape[2], logits_BKhw.shape[3]))
    entropy_Bhw = -(logits_BKhw.softmax(1) * logits_BKhw.log_softmax(1)).sum(1) / math.log(logits_BKhw.shape[1])
    return losses.ratio((entropy_Bhw * inside_Bhw).sum(), view.data.total(inside_Bhw.sum().float()))
