"""Scores from one confusion matrix over the whole set: exact, and merged over workers by adding matrices.

matrix_KK is int64, matrix[truth, prediction] = pixels. The mean of image IoUs is another number and is not offered."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ctt_ray.maths.labels import valid


@torch.no_grad()
def confusion_(matrix_KK: Tensor, pred_BHW: Tensor, label_BHW: Tensor) -> None:
    """Add the pixels of some images to the matrix, in place, without a host sync.

    pred_BHW: integers in 0..K-1.   label_BHW: ids, VOID and PADDING are left out.
    A label of another value is an index error: such a file should not have passed data_prep."""
    classes = len(matrix_KK)
    matrix_KK += tally(label_BHW.long() * classes + pred_BHW, valid(label_BHW), classes**2).view(classes, classes)


@torch.no_grad()
def tally(bin_BHW: Tensor, among_BHW: Tensor, bins: int) -> Tensor:
    """How often each of 0..bins-1 stands in `bin_BHW` where `among_BHW` is true: int64 (bins,), without a host sync.

    bin_BHW: integers of any shape.   A bin beyond is an index error: what must not be there cannot pass unseen."""
    bin_M = torch.where(among_BHW, 1 + bin_BHW.long(), 0).flatten()  # bin 0 is for what does not count
    count = torch.zeros(bins + 1, dtype=torch.int64, device=bin_M.device)
    return count.scatter_add_(0, bin_M, torch.ones_like(bin_M))[1:]


def iou(matrix_KK: Tensor) -> Tensor:
    """Intersection over union, float64 (K,); NaN for a class that is neither in the truth nor in a prediction."""
    matrix_KK = matrix_KK.double()
    hit_K = matrix_KK.diagonal()
    return hit_K / (matrix_KK.sum(0) + matrix_KK.sum(1) - hit_K)


def mean_iou(matrix_KK: Tensor) -> Tensor:
    """Mean over the classes whose IoU is defined, 0-d float64; NaN for an empty matrix."""
    return iou(matrix_KK).nanmean()


def pixel_accuracy(matrix_KK: Tensor) -> Tensor:
    """Share of the valid pixels that are right, 0-d float64; NaN for an empty matrix."""
    return matrix_KK.diagonal().sum().double() / matrix_KK.sum()


def class_table(matrix_KK: Tensor, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """{class: {iou, precision, recall, pixels}} on the host; NaN where nothing is to divide by; `pixels` is truth."""
    if len(names) != len(matrix_KK):
        raise ValueError(f"{len(names)} names for {len(matrix_KK)} classes; pass the manifest's class names")
    matrix_KK = matrix_KK.double().cpu()
    truth_K, hit_K = matrix_KK.sum(1), matrix_KK.diagonal()
    columns = {
        "iou": iou(matrix_KK),
        "precision": hit_K / matrix_KK.sum(0),
        "recall": hit_K / truth_K,
        "pixels": truth_K,
    }
    return {name: {column: float(value[k]) for column, value in columns.items()} for k, name in enumerate(names)}
