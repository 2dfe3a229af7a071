"""ECS: a corrector says where a segmentation is right and what it should be elsewhere; its answers teach the student."""

from __future__ import annotations

import torch
from torch import Tensor

from ctt_ray.engine.terms.maps import labelled_logits, own_label, unlabelled_logits
from ctt_ray.engine.terms.view import StepView
from ctt_ray.maths import corrections, losses
from ctt_ray.plan import Auxiliary, Term


def approved(view: StepView, term: Term) -> Tensor:
    """On labelled images: cross-entropy of the corrector's answer to "right", with its gradient to the student."""
    logits_BKHW = labelled_logits(view, term.learner)
    answer_BKHW = view.aux[term.aux](view.image_l_B3HW, logits_BKHW.softmax(1))
    value, count = losses.cross_entropy(answer_BKHW, corrections.all_right(view.label_BHW, logits_BKHW.shape[1]))
    return losses.ratio(value, view.data.total(count))


def corrected(view: StepView, term: Term) -> Tensor:
    """On unlabelled images: cross-entropy to the student's labels as corrected, each pixel by how sure the corrector is."""
    logits_BKHW, padding_BHW = unlabelled_logits(view, term, term.learner), view.sights.padding(term.view)
    image_B3HW = view.sights.image(term.view, term.learner)
    with torch.no_grad():
        answer_BKHW = view.aux[term.aux](image_B3HW, logits_BKHW.softmax(1))
    label_BHW, weight_BHW = corrections.corrected(own_label(logits_BKHW, padding_BHW), answer_BKHW)
    value, count = losses.cross_entropy(logits_BKHW, label_BHW, weight_BHW=weight_BHW)
    return losses.ratio(value, view.data.total(count))


def corrector_loss(view: StepView, spec: Auxiliary) -> Tensor:
    """What the corrector learns on labelled images: "right" where the student is right, the true class elsewhere."""
    logits_BKHW = labelled_logits(view, spec.learner).detach()
    mine_BHW = own_label(logits_BKHW, torch.zeros_like(view.label_BHW, dtype=torch.bool))
    target_BHW = corrections.correction_target(view.label_BHW, mine_BHW, logits_BKHW.shape[1])
    value, count = losses.cross_entropy(view.aux[spec.name](view.image_l_B3HW, logits_BKHW.softmax(1)), target_BHW)
    return losses.ratio(value, view.data.total(count))
