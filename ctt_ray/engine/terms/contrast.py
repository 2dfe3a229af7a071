"""The contrastive losses of CTT, equations (6) to (9)."""

from __future__ import annotations

import torch
from torch import Tensor

from ctt_ray.engine.terms.view import Queries, StepView, number, rows
from ctt_ray.maths import contrast, labels
from ctt_ray.plan import Term


def contrast_high(view: StepView, term: Term) -> Tensor:
    """L_HC of one student, equations (6) and (7): its confident pixels, labelled and unlabelled, against its own bank.

    options: tau · phi · conf (`own` | `cross_teacher`) · mask_labelled · reduction · max_queries.
    With several peers the mean over their teachers' pseudo-labels.
    """
    own_l, own_u = view.labelled[term.learner], view.unlabelled(term)
    feat_MD = rows(torch.cat([own_l.feat_BDhw, own_u.feat_BDhw]))
    _, conf_l = labels.confidence(own_l.logits_BKhw)
    conf_u = view.seen[term.learner].conf_BHW
    sure_l = (
        conf_l > number(term, "phi") if term.options["mask_labelled"] else torch.ones_like(conf_l, dtype=torch.bool)
    )
    losses = []
    for _, teacher in term.peers:
        pseudo_Bhw, sure_u = _pseudo(view, term, teacher, conf_u)
        label_M = torch.cat([view.label_Bhw, pseudo_Bhw]).flatten()
        selected_M = torch.cat([sure_l, sure_u]).flatten() & labels.valid(label_M)
        selected_M = _present(view, label_M, selected_M)
        index, scale = _queries(view, term, teacher, selected_M)
        label, weight = label_M[index], _weights(view, term, label_M, selected_M)[index] * scale
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
    feat_MD = rows(view.unlabelled(term).feat_BDhw)
    losses = []
    for student, teacher in term.peers:
        label_M, selected_M = _unsure(view, term, student, teacher)
        (index, scale), peer_QD = view.peer_rows[term.learner, student, teacher]
        losses.append(
            contrast.contrast_low(
                feat_MD[index],
                contrast.normalise(peer_QD),
                label_M[index],
                _weights(view, term, label_M, selected_M)[index] * scale,
                view.banks[term.teacher].rows_KND,
                view.banks[teacher].rows_KND,
                tau=number(term, "tau"),
                present_K=view.present_K,
            )
        )
    return torch.stack(losses).mean()


def low_queries(view: StepView, term: Term, student: str, teacher: str) -> Queries:
    """The rows that `contrast_low` compares with this peer: made of what every worker has seen."""
    return _queries(view, term, f"{student} {teacher}", _unsure(view, term, student, teacher)[1])


def _unsure(view: StepView, term: Term, student: str, teacher: str) -> tuple[Tensor, Tensor]:
    """The peer's labels, and which of the learner's pixels its low-level loss moves towards that peer: label_M, selected_M."""
    own, peer = view.seen[term.learner], view.seen[student]
    pseudo_Bhw, sure = _pseudo(view, term, teacher, own.conf_BHW)
    selected = ~sure & labels.valid(pseudo_Bhw) & (peer.conf_BHW >= number(term, "peer_min"))
    if term.options["directional"]:
        selected &= own.conf_BHW < peer.conf_BHW
    label_M = peer.label_BHW.flatten()
    return label_M, _present(view, label_M, selected.flatten())


def _pseudo(view: StepView, term: Term, teacher: str, conf_own: Tensor) -> tuple[Tensor, Tensor]:
    """The teacher's labels at feature size, and M^h there: whose confidence counts is the option `conf`."""
    target = view.sights.targets[term.view][teacher]
    size = (conf_own.shape[-2], conf_own.shape[-1])
    label_Bhw = labels.nearest(target.label_BHW, size)
    if term.options["conf"] == "cross_teacher":  # the released code compares with >=
        return label_Bhw, labels.nearest(target.conf_BHW, size) >= number(term, "phi")
    return label_Bhw, conf_own > number(term, "phi")


def _present(view: StepView, label_M: Tensor, selected_M: Tensor) -> Tensor:
    """Without the classes that may not be compared yet."""
    if view.present_K is None:
        return selected_M
    known = labels.valid(label_M)
    return selected_M & known & view.present_K[torch.where(known, label_M, 0).long()]


def _weights(view: StepView, term: Term, label_M: Tensor, selected_M: Tensor) -> Tensor:
    """weight_M; denominators are those of the whole batch."""
    classes = next(iter(view.banks.values())).rows_KND.shape[0]
    count_K = view.data.total(contrast.class_counts(label_M, selected_M, classes))
    reduction: contrast.Reduction = "class" if term.options["reduction"] == "class" else "pixel"
    return contrast.row_weights(label_M, selected_M, count_K, reduction=reduction)


def _queries(view: StepView, term: Term, other: str, selected_M: Tensor) -> Queries:
    """The selected rows, or max_queries of them."""
    limit = term.options["max_queries"]
    if limit is None:
        return contrast.compact(selected_M), selected_M.new_ones((), dtype=torch.float32)
    return contrast.query_cap(
        selected_M, int(limit), view.draws(f"{term.name} {term.learner} {other} {view.data.index}")
    )
