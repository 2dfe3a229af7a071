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
    # Bin 0 is for pixels without a class; a truth >= K then falls outside of the bins and cannot pass unseen.
    bin_BHW = torch.where(valid(label_BHW), 1 + label_BHW.long() * classes + pred_BHW.long(), 0)
    bin_M = bin_BHW.flatten()
    count = torch.zeros(classes * classes + 1, dtype=torch.int64, device=matrix_KK.device)
    count.scatter_add_(0, bin_M, torch.ones_like(bin_M))
    matrix_KK += count[1:].view(classes, classes)


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
