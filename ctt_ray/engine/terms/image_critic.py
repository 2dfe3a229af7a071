"""s4GAN: a critic sees an image with its segmentation and says whether it is a label map; students match what it sees."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from ctt_ray.engine.terms.maps import own_label, unlabelled_logits, upsampled
from ctt_ray.engine.terms.view import StepView, number
from ctt_ray.maths import adversarial as maths
from ctt_ray.maths import losses
from ctt_ray.nets.auxiliary.image_critic import Judged
from ctt_ray.plan import Auxiliary, Term, View


def feature_matching(view: StepView, term: Term) -> Tensor:
    """Distance between the critic's mean features of label maps (labelled images) and of predictions (unlabelled ones)."""
    probs_BKHW = unlabelled_logits(view, term, term.learner).softmax(1)
    fake_BC = _of_prediction(view, term.aux, term.view, term.learner, probs_BKHW).feat_BC
    with torch.no_grad():
        real_BC = _of_label(view, term.aux, probs_BKHW.shape[1]).feat_BC
    gap_C = _share_of_mean(view, fake_BC) - _share_of_mean(view, real_BC)
    return maths.l1_share(gap_C, view.data.total(gap_C))


def trusted_images(view: StepView, term: Term) -> Tensor:
    """Cross-entropy to the student's own labels on the images whose segmentation the critic takes for a label map.

    options: threshold, a probability."""
    logits_BKHW = unlabelled_logits(view, term, term.learner)
    with torch.no_grad():
        score_B = _of_prediction(view, term.aux, term.view, term.learner, logits_BKHW.softmax(1)).logit_B
    label_BHW = own_label(logits_BKHW, view.sights.padding(term.view))
    label_BHW = maths.trusted_label(label_BHW, score_B, number(term, "threshold"))
    value, count = losses.cross_entropy(logits_BKHW, label_BHW)
    return losses.ratio(value, view.data.total(count))


def image_critic_loss(view: StepView, spec: Auxiliary) -> Tensor:
    """What the critic learns: label maps of labelled images from the student's predictions of unlabelled ones.

    options: view, the one that the student's terms look at."""
    seen, student = cast(View, spec.options["view"]), spec.learner
    logits_BKHW = upsampled(view.outs[seen][student], view.sights.padding(seen)).detach()
    fake = _of_prediction(view, spec.name, seen, student, logits_BKHW.softmax(1)).logit_B
    real = _of_label(view, spec.name, logits_BKHW.shape[1]).logit_B
    parts = [maths.judged(fake, real=False), maths.judged(real, real=True)]
    return torch.stack([losses.ratio(value, view.data.total(count)) for value, count in parts]).mean()


def _of_prediction(view: StepView, critic: str, seen: View, student: str, probs_BKHW: Tensor) -> Judged:
    inside_B1HW = ~view.sights.padding(seen)[:, None]
    image_B3HW = maths.unit_range(view.sights.image(seen, student))
    return _judged(view, critic, image_B3HW, probs_BKHW * inside_B1HW, "prediction")


def _of_label(view: StepView, critic: str, classes: int) -> Judged:
    return _judged(view, critic, maths.unit_range(view.image_l_B3HW), maths.one_hot(view.label_BHW, classes), "label")


def _judged(view: StepView, critic: str, image_B3HW: Tensor, probs_BKHW: Tensor, what: str) -> Judged:
    """The critic's answer; within a step every question about the same thing has the same draws of dropout."""
    judged: Judged = view.aux[critic](image_B3HW, probs_BKHW, view.draws(f"{critic} {what} {view.data.index}"))
    return judged


def _share_of_mean(view: StepView, feat_BC: Tensor) -> Tensor:
    """This worker's part of the mean over the whole batch."""
    return feat_BC.sum(0) / view.data.total(feat_BC.new_tensor(len(feat_BC)))
