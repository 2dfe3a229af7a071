"""PseudoSeg (arXiv 2010.09713): the image-level classifier and its attention learn from labelled images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ctt_ray.engine.terms.view import StepView
from ctt_ray.maths import labels, losses
from ctt_ray.nets.auxiliary.class_head import ClassHead
from ctt_ray.plan import Term


def class_maps(view: StepView, term: Term) -> Tensor:
    """Which classes 1..K-1 are in the image, binary cross-entropy, plus the cross-entropy of the refined activation maps.

    The first teaches the backbone too, the second the attention alone."""
    head = view.aux[term.aux]
    assert isinstance(head, ClassHead)
    high_BChw, label_BHW = labels.exact(view.labelled[term.learner].high_BChw), view.label_BHW
    scores_BK = head.scores(high_BChw)
    present_BK = _present(label_BHW, scores_BK.shape[1])
    presence = F.binary_cross_entropy_with_logits(scores_BK, present_BK, reduction="sum")
    presence_count = torch.full_like(presence, scores_BK.numel())
    known_Bhw = labels.nearest(labels.valid(label_BHW), (high_BChw.shape[2], high_BChw.shape[3]))
    maps_BKhw = head.refine(high_BChw, head.maps(high_BChw, present_BK), known_Bhw)
    maps_BKHW = labels.upsample(maps_BKhw, (label_BHW.shape[1], label_BHW.shape[2]))
    total, count = losses.cross_entropy(maps_BKHW, label_BHW)
    return losses.ratio(presence, view.data.total(presence_count)) + losses.ratio(total, view.data.total(count))


def _present(label_BHW: Tensor, classes: int) -> Tensor:
    """(B, classes) float: 1 where the id k + 1 occurs in the image."""
    found = torch.zeros(len(label_BHW), 256, device=label_BHW.device)
    return found.scatter_(1, label_BHW.flatten(1).long(), 1.0)[:, 1 : classes + 1]
