"""Named extra losses. A term sees one step and returns one number; to add one, write a function and a line in TERMS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ctt_ray.engine import world
from ctt_ray.engine.views import Target
from ctt_ray.maths import contrast, labels
from ctt_ray.maths.bank import ClassBank
from ctt_ray.nets import NetOut
from ctt_ray.plan import Term


@dataclass(frozen=True)
class StepView:
    """One step as the terms see it, after all students' forward passes.

    labelled, unlabelled: student → its output on the labelled weak view and on the mixed strong view.
    label_Bhw: labels at feature size.   targets: teacher → its mixed labels and confidences at image size.
    present_K: classes that may be compared, None for all.   generator: draws of this step (query caps).
    """

    labelled: dict[str, NetOut]
    unlabelled: dict[str, NetOut]
    label_Bhw: Tensor
    targets: dict[str, Target]
    banks: dict[str, ClassBank]
    present_K: Tensor | None
    generator: torch.Generator


TermFn = Callable[[StepView, Term], Tensor]


def number(term: Term, option: str) -> float:
    return float(term.options[option] or 0.0)


def rows(feat_BDhw: Tensor) -> Tensor:
    """feat_MD, L2-normalised, a row a pixel."""
    return contrast.normalise(contrast.rows(feat_BDhw))


def contrast_high(view: StepView, term: Term) -> Tensor:
    """L_HC of one student, equations (6) and (7): its confident pixels, labelled and unlabelled, against its own bank.

    options: tau · phi · conf (`own` | `cross_teacher`) · mask_labelled · reduction · max_queries.
    With several peers the mean over their teachers' pseudo-labels.
    """
    own_l, own_u = view.labelled[term.learner], view.unlabelled[term.learner]
    feat_MD = rows(torch.cat([own_l.feat_BDhw, own_u.feat_BDhw]))
    _, conf_l = labels.confidence(own_l.logits_BKhw)
    _, conf_u = labels.confidence(own_u.logits_BKhw)
    sure_l = (
        conf_l > number(term, "phi") if term.options["mask_labelled"] else torch.ones_like(conf_l, dtype=torch.bool)
    )
    losses = []
    for _, teacher in term.peers:
        pseudo_Bhw, sure_u = _pseudo(view, term, teacher, conf_u)
        label_M = torch.cat([view.label_Bhw, pseudo_Bhw]).flatten()
        selected_M = torch.cat([sure_l, sure_u]).flatten() & labels.valid(label_M)
        index, label, weight = _weigh(view, term, label_M, selected_M)
        bank_KND = view.banks[term.teacher].rows_KND
        losses.append(
            contrast.contrast_high(
                feat_MD[index], label, weight, bank_KND, tau=number(term, "tau"), present_K=view.present_K
            )
        )
    return torch.stack(losses).mean()


def contrast_low(view: StepView, term: Term) -> Tensor:
    """L_LC of one student, equations (8) and (9): its unsure unlabelled pixels towards a surer peer's feature there.

    options: tau · phi · conf · directional (the peer must be surer) · peer_min · reduction · max_queries. Mean over peers.
    """
    own = view.unlabelled[term.learner]
    feat_MD = rows(own.feat_BDhw)
    _, conf_own = labels.confidence(own.logits_BKhw)
    losses = []
    for student, teacher in term.peers:
        peer = view.unlabelled[student]
        label_Bhw, conf_peer = labels.confidence(peer.logits_BKhw)
        pseudo_Bhw, sure = _pseudo(view, term, teacher, conf_own)
        selected = ~sure & labels.valid(pseudo_Bhw) & (conf_peer >= number(term, "peer_min"))
        if term.options["directional"]:
            selected &= conf_own < conf_peer
        index, label, weight = _weigh(view, term, label_Bhw.flatten(), selected.flatten())
        peer_MD = rows(peer.feat_BDhw.detach())
        losses.append(
            contrast.contrast_low(
                feat_MD[index],
                peer_MD[index],
                label,
                weight,
                view.banks[term.teacher].rows_KND,
                view.banks[teacher].rows_KND,
                tau=number(term, "tau"),
                present_K=view.present_K,
            )
        )
    return torch.stack(losses).mean()


def _pseudo(view: StepView, term: Term, teacher: str, conf_own: Tensor) -> tuple[Tensor, Tensor]:
    """The teacher's labels at feature size, and M^h there: whose confidence counts is the option `conf`."""
    target = view.targets[teacher]
    size = (conf_own.shape[-2], conf_own.shape[-1])
    label_Bhw = labels.nearest(target.label_BHW, size)
    if term.options["conf"] == "cross_teacher":  # the released code compares with >=
        return label_Bhw, labels.nearest(target.conf_BHW, size) >= number(term, "phi")
    return label_Bhw, conf_own > number(term, "phi")


def _weigh(view: StepView, term: Term, label_M: Tensor, selected_M: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The selected rows, their classes and weights; classes that are not present drop out, denominators are global."""
    if view.present_K is not None:
        known = labels.valid(label_M)
        selected_M = selected_M & known & view.present_K[torch.where(known, label_M, 0).long()]
    classes = next(iter(view.banks.values())).rows_KND.shape[0]
    count_K = world.total(contrast.class_counts(label_M, selected_M, classes))
    reduction: contrast.Reduction = "class" if term.options["reduction"] == "class" else "pixel"
    weight_M = contrast.row_weights(label_M, selected_M, count_K, reduction=reduction)
    limit = term.options["max_queries"]
    if limit is None:
        index_Q = contrast.compact(selected_M)
        return index_Q, label_M[index_Q], weight_M[index_Q]
    index_Q, scale = contrast.query_cap(selected_M, int(limit), view.generator)
    return index_Q, label_M[index_Q], weight_M[index_Q] * scale


TERMS: dict[str, TermFn] = {"contrast_high": contrast_high, "contrast_low": contrast_low}
