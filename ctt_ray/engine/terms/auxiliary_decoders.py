"""CCT (arXiv 2003.09005): what decoders say of perturbed features is what the main decoder says of the clean ones."""

from __future__ import annotations

import torch
from torch import Tensor

from ctt_ray.engine.terms.view import StepView, number
from ctt_ray.maths import labels, losses, schedules
from ctt_ray.plan import Term


def auxiliary_decoders(view: StepView, term: Term) -> Tensor:
    """Mean over the decoders of the mean squared distance of probabilities to the student's own, on the term's view.

    No gradient reaches the main decoder's answer: features and auxiliary decoders learn.   options: ramp, share of the run."""
    out = view.unlabelled(term)
    logits_BKhw = labels.exact(out.logits_BKhw.detach())
    label_Bhw, _ = labels.confidence(logits_BKhw)
    valid_Bhw = ~labels.nearest(view.sights.padding(term.view), (label_Bhw.shape[1], label_Bhw.shape[2]))
    answers = view.aux[term.aux](
        labels.exact(out.feat_BDhw), label_Bhw, view.draws(f"{term.name} {term.learner} {view.data.index}")
    )
    probs_BKhw = logits_BKhw.softmax(1)
    distances = [((answer.softmax(1) - probs_BKhw).square().mean(1) * valid_Bhw).sum() for answer in answers]
    count = view.data.total(valid_Bhw.sum().float())
    return schedules.ramp_up(view.progress, number(term, "ramp")) * losses.ratio(torch.stack(distances).mean(), count)
