"""C3-SemiSeg (ICCV 2021): pixels of labelled and unlabelled images are anchors and keys of one contrast."""

from __future__ import annotations

import torch
from torch import Tensor

from ctt_ray.engine.terms.view import StepView, number
from ctt_ray.maths import bank, contrast, labels, positives
from ctt_ray.nets.auxiliary.projection import CrossSetHead
from ctt_ray.plan import Term

Pixels = tuple[Tensor, Tensor, Tensor]  # high_MC, label_M, right_M


def cross_set_contrast(view: StepView, term: Term) -> Tensor:
    """InfoNCE of projected backbone features, true labels and those pseudo-labels that pass their class's threshold.

    Anchors and keys are two draws of as many rows a class, half where the student errs; keys have no gradient.
    options: tau · rows, drawn of each class of this worker's images for either."""
    head = view.aux[term.aux]
    assert isinstance(head, CrossSetHead)
    pixels = _pixels(view, term, head)
    index_KT, valid_KT = _drawn(view, term, "anchors", pixels, len(head.thresholds.value_K))
    anchor_MD = contrast.normalise(head.projection(pixels[0][index_KT]), 2).flatten(0, 1)
    with torch.no_grad():
        index_KN, valid_KN = _drawn(view, term, "keys", pixels, len(valid_KT))
        key_KND = contrast.normalise(head.projection(pixels[0][index_KN]), 2)
    label_M = torch.arange(len(valid_KT), device=valid_KT.device).repeat_interleave(valid_KT.shape[1])
    count_K = view.data.total(valid_KT.sum(1).float())
    return contrast.contrast_high(
        anchor_MD,
        label_M,
        contrast.row_weights(label_M, valid_KT.flatten(), count_K, reduction="pixel"),
        positives.repeat_rows(key_KND, valid_KN),
        tau=number(term, "tau"),
        present_K=valid_KN.any(1),
    )


def _pixels(view: StepView, term: Term, head: CrossSetHead) -> Pixels:
    """Labelled, then unlabelled ones, at the size of the backbone's features."""
    target = view.sights.targets[term.view][term.teacher]
    unsure_BHW = ~head.thresholds.passes(target.label_BHW, target.conf_BHW)
    parts = []
    for out, label_BHW in (
        (view.labelled[term.learner], view.label_BHW),
        (view.unlabelled(term), target.label_BHW.masked_fill(unsure_BHW, labels.VOID)),
    ):
        size = (out.high_BChw.shape[2], out.high_BChw.shape[3])
        label_Bhw = labels.nearest(label_BHW, size)
        right_Bhw = labels.nearest(labels.confidence(out.logits_BKhw)[0], size) == label_Bhw
        parts.append((contrast.rows(labels.exact(out.high_BChw)), label_Bhw.flatten(), right_Bhw.flatten()))
    high_MC, label_M, right_M = (torch.cat(part) for part in zip(*parts, strict=True))
    return high_MC, label_M, right_M


def _drawn(view: StepView, term: Term, use: str, pixels: Pixels, classes: int) -> tuple[Tensor, Tensor]:
    """index_KT, valid_KT: rows of each class, half of them where the student errs."""
    _, label_M, right_M = pixels
    generator = view.draws(f"{term.name} {term.learner} {use} {view.data.index}")
    uniform_M = torch.rand(len(label_M), generator=generator).to(label_M.device)
    take = int(number(term, "rows"))
    wrong = bank.choose(label_M, torch.where(right_M, -1.0, uniform_M), take, classes)
    return positives.interleave(*wrong, *bank.choose(label_M, torch.where(right_M, uniform_M, -1.0), take, classes))
