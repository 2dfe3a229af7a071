"""Label maps: which pixels count, how a map changes its size, what a teacher's logits say."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

VOID = 255  # a labelled image's pixel without a class: no loss, no evaluation
PADDING = 254  # outside an unlabelled image: no loss, and not in any denominator


def valid(label_BHW: Tensor) -> Tensor:
    """True where a pixel has a class.  docs/equations.md#labels

    label: any integer dtype and any shape, ids 0..253 or VOID or PADDING.   Returns bool of the same shape."""
    return label_BHW < PADDING


def nearest(map_BHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Sample a map at the centres of size[0] x size[1] equal cells: no value is ever made up.  docs/equations.md#labels

    map: any dtype, any number of leading dimensions; the last two are resized.   Returns the same dtype.
    Indices, not interpolation: a label passed through a float could round into another class."""
    rows, columns = (_centres(old, new, map_BHW.device) for old, new in zip(map_BHW.shape[-2:], size, strict=True))
    return map_BHW[..., rows[:, None], columns]


def upsample(logits_BKhw: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear logits at the image's size (align_corners=False): float32 also under autocast, float64 stays float64."""
    logits_BKhw = exact(logits_BKhw)
    if tuple(logits_BKhw.shape[-2:]) == tuple(size):
        return logits_BKhw
    return F.interpolate(logits_BKhw, size=size, mode="bilinear", align_corners=False)


@torch.no_grad()
def hard_target(logits_BKhw: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """A teacher's label and how sure it is: the largest softmax entry of the upsampled logits.  Equations (3), (4)

    Returns label_BHW uint8 in 0..K-1 and conf_BHW float32, a probability in (0, 1].   No gradient."""
    return confidence(upsample(logits_BKhw, size))


@torch.no_grad()
def confidence(logits_BKhw: Tensor) -> tuple[Tensor, Tensor]:
    """`hard_target` at the logits' own size: argmax as uint8 and its probability q_p of equation (7), detached."""
    if logits_BKhw.shape[1] > PADDING:
        raise ValueError(
            f"{logits_BKhw.shape[1]} classes do not fit uint8 labels, where {PADDING} is padding and {VOID} is void; "
            f"train on at most {PADDING} classes"
        )
    logits_BKhw = exact(logits_BKhw)
    top_Bhw, label_Bhw = logits_BKhw.max(1)  # argmax(1) is several times slower than max(1) on a CPU
    # 1 / Σ e^(logit - top) keeps its digits where top - logsumexp, a difference of large numbers, loses them.
    return label_Bhw.to(torch.uint8), (logits_BKhw - top_Bhw[:, None]).exp_().sum(1).reciprocal()


def _centres(old: int, new: int, device: torch.device) -> Tensor:
    """Index of the source cell below each new cell's centre, (i + 1/2)·old/new, in integers."""
    return (2 * torch.arange(new, device=device) + 1) * old // (2 * new)


def exact(logits: Tensor) -> Tensor:
    """float32 also under autocast; float64 stays float64. Any shape."""
    return logits if logits.dtype == torch.float64 else logits.float()
