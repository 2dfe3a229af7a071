"""Error-correcting supervision: what a corrector is asked, and what its answer makes of a prediction.  docs/equations.md

A corrector's logits have K + 1 channels: the K classes, and K for "the segmentation is right here"."""

from __future__ import annotations

import torch
from torch import Tensor

from ctt_ray.maths.labels import confidence, valid


def correction_target(label_BHW: Tensor, predicted_BHW: Tensor, classes: int) -> Tensor:
    """K where the prediction equals the label, the label elsewhere; void and padding stay. uint8, as both maps."""
    right_BHW = (label_BHW == predicted_BHW) & valid(label_BHW)
    return label_BHW.masked_fill(right_BHW, classes)


def all_right(label_BHW: Tensor, classes: int) -> Tensor:
    """The answer a student wants: K at every pixel that has a class; void and padding stay."""
    return label_BHW.masked_fill(valid(label_BHW), classes)


@torch.no_grad()
def corrected(predicted_BHW: Tensor, correction_BKHW: Tensor) -> tuple[Tensor, Tensor]:
    """The pseudo-label and how sure the corrector is: label_BHW uint8 and weight_BHW, a probability.   No gradient.

    predicted_BHW: the student's labels, kept where the answer is K; padding stays.   correction_BKHW: K + 1 channels."""
    answer_BHW, weight_BHW = confidence(correction_BKHW)
    kept_BHW = (answer_BHW == correction_BKHW.shape[1] - 1) | ~valid(predicted_BHW)
    return torch.where(kept_BHW, predicted_BHW, answer_BHW), weight_BHW
