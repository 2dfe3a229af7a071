"""AdvSemiSeg: a critic tells predictions from label maps pixel by pixel, and students learn from what it says."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctt_ray.engine.terms.maps import labelled_logits, own_label, unlabelled_logits
from ctt_ray.engine.terms.view import StepView, number
from ctt_ray.maths import adversarial as maths
from ctt_ray.maths import labels, losses
from ctt_ray.plan import Auxiliary, Term


def adversarial(view: StepView, term: Term) -> Tensor:
    """The student's predictions are to look like label maps: the mean of -log critic over the pixels that have a class.

    options: unlabelled, the weight of the unlabelled images' mean beside that of the labelled ones.
    """
    critic = view.aux[term.aux]
    probs_BKHW = labelled_logits(view, term.learner).softmax(1)
    value = _judged(view, critic, probs_BKHW, labels.valid(view.label_BHW), real=True)
    if number(term, "unlabelled") > 0:
        probs_BKHW = unlabelled_logits(view, term, term.learner).softmax(1)
        there = _judged(view, critic, probs_BKHW, ~view.sights.padding(term.view), real=True)
        value = value + number(term, "unlabelled") * there
    return value


def trusted_pixels(view: StepView, term: Term) -> Tensor:
    """Cross-entropy to the student's own labels on the pixels that the critic takes for parts of a label map.

    options: threshold, a probability · start, the share of the run before which there is no such label: the loss is 0.
    """
    logits_BKHW = unlabelled_logits(view, term, term.learner)
    if view.progress < number(term, "start"):
        return logits_BKHW.new_zeros(())
    with torch.no_grad():
        score_BHW = view.aux[term.aux](logits_BKHW.softmax(1))
    label_BHW = own_label(logits_BKHW, view.sights.padding(term.view))
    label_BHW = maths.trusted_label(label_BHW, score_BHW, number(term, "threshold"))
    value, count = losses.cross_entropy(logits_BKHW, label_BHW)
    return losses.ratio(value, view.data.total(count))


def pixel_critic_loss(view: StepView, spec: Auxiliary) -> Tensor:
    """What the critic learns: the labelled images' label maps from the student's predictions of the same images."""
    critic, logits_BKHW = view.aux[spec.name], labelled_logits(view, spec.learner).detach()
    known_BHW = labels.valid(view.label_BHW)
    truth_BKHW = maths.one_hot(view.label_BHW, logits_BKHW.shape[1])
    real = _judged(view, critic, truth_BKHW, known_BHW, real=True)
    return (real + _judged(view, critic, logits_BKHW.softmax(1), known_BHW, real=False)) / 2


def _judged(view: StepView, critic: nn.Module, probs_BKHW: Tensor, counts_BHW: Tensor, *, real: bool) -> Tensor:
    value, count = maths.judged(critic(probs_BKHW), real=real, counts=counts_BHW)
    return losses.ratio(value, view.data.total(count))
