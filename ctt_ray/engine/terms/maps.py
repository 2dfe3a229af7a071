"""Outputs and images at the size at which a critic, a corrector or a detector looks at them."""

from __future__ import annotations

from torch import Tensor

from ctt_ray.engine.terms.view import StepView
from ctt_ray.maths import labels
from ctt_ray.nets import NetOut
from ctt_ray.plan import Term


def labelled_logits(view: StepView, student: str) -> Tensor:
    """logits_BKHW of this student on the labelled images."""
    return upsampled(view.labelled[student], view.label_BHW)


def unlabelled_logits(view: StepView, term: Term, student: str) -> Tensor:
    """logits_BKHW of this student on the unlabelled images in the term's view."""
    return upsampled(view.outs[term.view][student], view.sights.padding(term.view))


def own_label(logits_BKHW: Tensor, padding_BHW: Tensor) -> Tensor:
    """The class that each pixel gets, PADDING outside the images: uint8, no gradient."""
    label_BHW, _ = labels.confidence(logits_BKHW)
    return label_BHW.masked_fill(padding_BHW, labels.PADDING)


def upsampled(out: NetOut, like_BHW: Tensor) -> Tensor:
    """logits_BKHW at the size of a map of the image."""
    return labels.upsample(out.logits_BKhw, (like_BHW.shape[-2], like_BHW.shape[-1]))
