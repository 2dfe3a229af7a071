"""GCT: two students, and a detector of flaws that says which of them to believe, pixel by pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from ctt_ray.engine.terms.maps import labelled_logits, unlabelled_logits
from ctt_ray.engine.terms.view import StepView, number
from ctt_ray.maths import flaws as maths
from ctt_ray.maths import labels, losses, schedules
from ctt_ray.plan import Auxiliary, Term


def guided(view: StepView, term: Term) -> Tensor:
    """Dynamic consistency and flaw correction, on labelled and unlabelled images alike.

    Towards the peer's probabilities where the detector finds less flaw in them: mean squared distance, over classes too.
    Where both are bad the student's own flaw is to vanish: the square of what the detector finds, with its gradient.
    options: consistency, correction, weights of the two · ramp, share of the run in which the first grows · threshold of bad.
    """
    ((peer, _),) = term.peers
    image_B3HW = torch.cat([view.image_l_B3HW, view.sights.image(term.view, term.learner)])
    own_BKHW, peer_BKHW = _probs(view, term, term.learner), _probs(view, term, peer).detach()
    flaw_BHW = view.aux[term.aux](image_B3HW, own_BKHW)
    with torch.no_grad():
        peer_flaw_BHW = maths.cleaned(view.aux[term.aux](image_B3HW, peer_BKHW))
    target_BKHW, both_bad_BHW = maths.better_of(
        own_BKHW.detach(), peer_BKHW, maths.cleaned(flaw_BHW), peer_flaw_BHW, threshold=number(term, "threshold")
    )
    growing = number(term, "consistency") * schedules.ramp_up(view.progress, number(term, "ramp"))
    loss_BHW = growing * (own_BKHW - target_BKHW).square().mean(1)
    loss_BHW = loss_BHW + number(term, "correction") * flaw_BHW.square() * both_bad_BHW
    counts_BHW = torch.cat([labels.valid(view.label_BHW), ~view.sights.padding(term.view)])
    return losses.ratio((loss_BHW * counts_BHW).sum(), view.data.total(counts_BHW.sum().float()))


def flaw_detector_loss(view: StepView, spec: Auxiliary) -> Tensor:
    """What the detector learns, from the labelled predictions of every student: squared distance to the flaws made of labels."""
    counts_BHW = labels.valid(view.label_BHW)
    count = view.data.total(counts_BHW.sum().float())
    found = []
    for student in view.labelled:
        probs_BKHW = labelled_logits(view, student).detach().softmax(1)
        flaw_BHW = view.aux[spec.name](view.image_l_B3HW, probs_BKHW)
        distance_BHW = (flaw_BHW - maths.flaw_target(probs_BKHW, view.label_BHW)).square()
        found.append(losses.ratio((distance_BHW * counts_BHW).sum(), count))
    return torch.stack(found).mean()


def _probs(view: StepView, term: Term, student: str) -> Tensor:
    """probs_BKHW of the labelled images, then of the unlabelled ones."""
    return torch.cat([labelled_logits(view, student), unlabelled_logits(view, term, student)]).softmax(1)
