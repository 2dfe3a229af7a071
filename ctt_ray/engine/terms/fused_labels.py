"""PseudoSeg (arXiv 2010.09713): soft labels from two sources on the weak view, learnt on the strong one."""

from __future__ import annotations

import torch
from torch import Tensor

from ctt_ray.engine.terms.view import StepView, number
from ctt_ray.maths import fusion, labels, losses
from ctt_ray.nets.auxiliary.class_head import ClassHead
from ctt_ray.plan import Term


def fused_labels(view: StepView, term: Term) -> Tensor:
    """Cross-entropy of the student to the sharpened fusion of its own softmax and its refined activation maps.

    options: fusion, the softmax's share · temperature of the sharpening · presence, the probability from which a class is taken
    to be in the image. At the logits' own size. The strong view must not be mixed: labels are those of the weak one."""
    logits_BKhw = view.unlabelled(term).logits_BKhw
    size = (logits_BKhw.shape[2], logits_BKhw.shape[3])
    valid_Bhw = ~labels.nearest(view.sights.padding(term.view), size)
    loss = fusion.soft_cross_entropy(logits_BKhw, _labels(view, term, size), valid_Bhw)
    return losses.ratio(loss, view.data.total(valid_Bhw.sum().float()))


@torch.no_grad()
def _labels(view: StepView, term: Term, size: tuple[int, int]) -> Tensor:
    head = view.aux[term.aux]
    assert isinstance(head, ClassHead)
    weak = view.net(term.learner, view.sights.image("weak", term.learner))
    outside_BHW, high_BChw = view.sights.padding("weak"), labels.exact(weak.high_BChw)
    present_BK = head.scores(high_BChw).sigmoid() >= number(term, "presence")
    inside_Bhw = ~labels.nearest(outside_BHW, (high_BChw.shape[2], high_BChw.shape[3]))
    maps_BKhw = labels.upsample(head.refine(high_BChw, head.maps(high_BChw, present_BK), inside_Bhw), size)
    total, count = fusion.energy(weak.logits_BKhw, maps_BKhw, ~labels.nearest(outside_BHW, size))
    mean_square = losses.ratio(view.data.total(total), view.data.total(count))
    probs_BKhw = fusion.fuse(weak.logits_BKhw, maps_BKhw, mean_square, share=number(term, "fusion"))
    return fusion.sharpen(probs_BKhw, number(term, "temperature"))
