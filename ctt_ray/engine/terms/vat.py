"""VAT: what a student says of an image must not change under the small perturbation that changes it most."""

from __future__ import annotations

import torch
from torch import Tensor

from ctt_ray.engine.terms.view import StepView, number
from ctt_ray.maths import labels, losses, vat
from ctt_ray.plan import Term


def virtual_adversarial(view: StepView, term: Term) -> Tensor:
    """KL(p(x) ‖ p(x + r_adv)) a pixel, mean over the pixels inside the images; p(x) is not differentiated.

    Three more passes of the student, with equal draws of dropout, so that the perturbation alone makes the difference.
    options: radius, factor on the image's own (docs/equations.md).
    """
    image_B3HW, inside_BHW = view.sights.image(term.view, term.learner), ~view.sights.padding(term.view)
    size = (image_B3HW.shape[-2], image_B3HW.shape[-1])

    def logits_of(seen_B3HW: Tensor) -> Tensor:
        return labels.upsample(view.net(term.learner, seen_B3HW).logits_BKhw, size)

    with torch.no_grad():
        probs_BKHW = logits_of(image_B3HW).softmax(1)
    draws = view.draws(f"vat {term.learner} {view.data.index}")
    radius_B = vat.radius(image_B3HW, number(term, "radius"))
    shift_B3HW = vat.perturbation(logits_of, image_B3HW, probs_BKHW, inside_BHW, radius_B, draws)
    value, count = vat.kl(probs_BKHW, logits_of(image_B3HW + shift_B3HW), inside_BHW)
    return losses.ratio(value, view.data.total(count))
