"""SemiSeg-Contrastive (arXiv 2104.13415): features move towards the memory of their class, learned importances weigh them."""

from __future__ import annotations

import torch
from torch import Tensor

from ctt_ray.engine.terms.view import StepView, number, rows
from ctt_ray.maths import bank, contrast, labels, positives
from ctt_ray.nets.auxiliary.projection import MemoryHeads
from ctt_ray.plan import Term


def memory_contrast(view: StepView, term: Term) -> Tensor:
    """1 - cosine to the memory, mean over classes, of labelled features by their label plus unlabelled ones by the teacher's.

    options: queries, rows of each class that are drawn of either kind. The memory is the teacher's bank as far as it is filled:
    features of correctly predicted labelled pixels, projected with the present projection and without gradient. Both
    sides are L2-normalised before it, as banks store them: a projection with a bias is not indifferent to length."""
    heads, memory = view.aux[term.aux], view.banks[term.teacher]
    assert isinstance(heads, MemoryHeads)
    with torch.no_grad():
        memory_KND = contrast.normalise(heads.projection(memory.rows_KND), 2)
    filled_KN = torch.arange(memory_KND.shape[1], device=memory_KND.device) < memory.fill_K[:, None]
    weight_KN = heads.memory_selectors(memory_KND) * filled_KN
    target_BHW = view.sights.targets[term.view][term.teacher].label_BHW
    total = memory_KND.new_zeros(())
    for use, feat_BDhw, label_BHW in (
        ("labelled", view.labelled[term.learner].feat_BDhw, view.label_BHW),
        ("unlabelled", view.unlabelled(term).feat_BDhw, target_BHW),
    ):
        label_M = labels.nearest(label_BHW, (feat_BDhw.shape[2], feat_BDhw.shape[3])).flatten()
        generator = view.draws(f"{term.name} {term.learner} {use} {view.data.index}")
        uniform_M = torch.rand(len(label_M), generator=generator).to(label_M.device)
        index_KT, valid_KT = bank.choose(label_M, uniform_M, int(number(term, "queries")), len(memory_KND))
        feat_KTD = heads.prediction(heads.projection(rows(labels.exact(feat_BDhw))[index_KT]))
        weight_KT = heads.feature_selectors(feat_KTD.detach()) * valid_KT
        total = total + _mean(view, feat_KTD, memory_KND, weight_KT, weight_KN)
    return total


def _mean(view: StepView, feat_KTD: Tensor, memory_KND: Tensor, weight_KT: Tensor, weight_KN: Tensor) -> Tensor:
    sum_K, mass_K = positives.class_sums(contrast.normalise(feat_KTD, 2), memory_KND, weight_KT, weight_KN)
    share = positives.shared_ratio(sum_K, mass_K, view.data.total(sum_K), view.data.total(mass_K))
    return share / len(memory_KND)
