"""PC2Seg (arXiv 2108.09025): a pixel's feature in the strong view is near the one in the weak view, and far from other images'
pixels, the more so the less likely they are of its class."""

from __future__ import annotations

import torch
from torch import Tensor

from ctt_ray.engine.terms.view import StepView, number
from ctt_ray.maths import contrast, debiased, labels, losses
from ctt_ray.plan import Term


def debiased_contrast(view: StepView, term: Term) -> Tensor:
    """Mean pixel InfoNCE of the student's projected features; weak features are keys, without gradient.

    options: tau · negatives, how many a sum stands for · queries and pool, rows drawn as anchors and as negatives, of this
    worker's images. The strong view must not be mixed: pixels have to be the same ones."""
    strong, head = view.unlabelled(term), view.aux[term.aux]
    with torch.no_grad():
        weak = view.net(term.learner, view.sights.image("weak", term.learner))
    inside_Bhw = ~labels.nearest(view.sights.padding("weak"), (weak.feat_BDhw.shape[2], weak.feat_BDhw.shape[3]))
    image_M = torch.arange(len(inside_Bhw), device=inside_Bhw.device).repeat_interleave(inside_Bhw[0].numel())
    inside_M, feat_MD = inside_Bhw.flatten(), contrast.rows(labels.exact(weak.feat_BDhw))
    probs_MK = contrast.rows(labels.exact(weak.logits_BKhw).softmax(1))
    index_Q, scale = _drawn(view, term, "queries", inside_M)
    index_P, _ = _drawn(view, term, "pool", inside_M)
    anchor_QD = contrast.normalise(head(contrast.rows(labels.exact(strong.feat_BDhw))[index_Q]))
    with torch.no_grad():
        positive_QD, pool_PD = (contrast.normalise(head(feat_MD[index])) for index in (index_Q, index_P))
        weight_QP = debiased.different(probs_MK[index_Q], probs_MK[index_P], image_M[index_Q], image_M[index_P])
        weight_QP = weight_QP * inside_M[index_P]
    loss_Q = debiased.info_nce(
        anchor_QD, positive_QD, pool_PD, weight_QP, tau=number(term, "tau"), negatives=int(number(term, "negatives"))
    )
    return losses.ratio((loss_Q * inside_M[index_Q]).sum() * scale, view.data.total(inside_M.sum().float()))


def _drawn(view: StepView, term: Term, use: str, inside_M: Tensor) -> tuple[Tensor, Tensor]:
    generator = view.draws(f"{term.name} {term.learner} {use} {view.data.index}")
    return contrast.query_cap(inside_M, int(number(term, use)), generator)
