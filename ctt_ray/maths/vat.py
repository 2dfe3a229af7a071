"""Virtual adversarial training (arXiv 1704.03976), a distribution a pixel.  docs/equations.md"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ctt_ray.maths.labels import exact

PROBE = 0.1  # of the radius: long enough for bfloat16, short enough for a gradient


def kl(probs_BKHW: Tensor, logits_BKHW: Tensor, valid_BHW: Tensor) -> tuple[Tensor, Tensor]:
    """KL(p ‖ softmax(logits)) summed over the valid pixels, and their number.   probs: of the target, detached."""
    probs_BKHW = exact(probs_BKHW.detach())
    loss_BHW = F.kl_div(exact(logits_BKHW).log_softmax(1), probs_BKHW, reduction="none").sum(1)
    return (loss_BHW * valid_BHW).sum(), valid_BHW.sum().float()


def radius(image_B3HW: Tensor, scale: float = 1.0) -> Tensor:
    """radius_B = scale · ‖central differences of the image‖₂: as far as neighbouring pixels differ (arXiv 1906.01916).

    So one number suits every size and contrast of an image."""
    down = (image_B3HW[:, :, 2:] - image_B3HW[:, :, :-2]).square().sum((1, 2, 3))
    right = (image_B3HW[..., 2:] - image_B3HW[..., :-2]).square().sum((1, 2, 3))
    return scale * (down + right).sqrt() / 2


def perturbation(
    logits_of: Callable[[Tensor], Tensor],
    image_B3HW: Tensor,
    probs_BKHW: Tensor,
    valid_BHW: Tensor,
    radius_B: Tensor,
    draws: torch.Generator,
) -> Tensor:
    """r_adv: the direction in which KL(p(x) ‖ p(x + r)) grows fastest, by one power iteration, ‖r_adv[b]‖₂ = radius_b.

    logits_of: image to logits of the size of probs.   The probe is a tenth of the result: with the paper's 1e-6 the two
    outputs would differ by less than their rounding. An image that nothing changes gets r_adv = 0. No gradient."""
    noise_B3HW = torch.randn(image_B3HW.shape, generator=draws, device=draws.device).to(image_B3HW)
    probe_B3HW = _scaled(noise_B3HW, PROBE * radius_B).requires_grad_()
    loss, _ = kl(probs_BKHW, logits_of(image_B3HW.detach() + probe_B3HW), valid_BHW)
    (direction_B3HW,) = torch.autograd.grad(loss, probe_B3HW)
    return _scaled(direction_B3HW, radius_B)


def _scaled(vector_B3HW: Tensor, length_B: Tensor) -> Tensor:
    """Each image's vector at that length; a zero vector stays zero."""
    norm_B = vector_B3HW.flatten(1).norm(dim=1)
    factor_B = torch.where(norm_B > 0, length_B / norm_B.clamp(min=torch.finfo(norm_B.dtype).tiny), 0.0)
    return (vector_B3HW * factor_B[:, None, None, None]).detach()
