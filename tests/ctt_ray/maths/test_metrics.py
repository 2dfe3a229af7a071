"""The confusion matrix and its scores against counting pixel by pixel."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ctt_ray.maths import labels, metrics

K = 5


def scored(images: int = 4) -> tuple[Tensor, Tensor]:
    label = torch.randint(0, K - 1, (images, 9, 7)).to(torch.uint8)  # class K-1 is nowhere
    pred = torch.where(torch.rand(label.shape) < 0.6, label, torch.randint(0, K - 1, label.shape).to(torch.uint8))
    label[:, 0], label[:, 1, :3] = labels.VOID, labels.PADDING
    return pred, label


def matrix_of(pred: Tensor, label: Tensor) -> Tensor:
    matrix = torch.zeros(K, K, dtype=torch.int64)
    metrics.confusion_(matrix, pred, label)
    return matrix


def slow_iou(pred: Tensor, label: Tensor) -> list[float]:
    pairs = [(int(p), int(t)) for p, t in zip(pred.flatten(), label.flatten(), strict=True) if t < 254]
    scores = []
    for c in range(K):
        both = sum(p == c and t == c for p, t in pairs)
        either = sum(p == c or t == c for p, t in pairs)
        scores.append(both / either if either else math.nan)
    return scores


def test_rule_15_iou_equals_the_per_pixel_definition_on_all_images_together() -> None:
    pred, label = scored()
    expected = torch.tensor(slow_iou(pred, label), dtype=torch.float64)
    matrix = matrix_of(pred, label)
    torch.testing.assert_close(metrics.iou(matrix), expected, equal_nan=True)
    assert metrics.mean_iou(matrix).item() == pytest.approx(expected[: K - 1].mean().item())


def test_rule_15_mean_iou_is_not_the_mean_of_image_ious() -> None:
    label = torch.tensor([[[0, 0, 0, 1]], [[1, 1, 1, 1]]], dtype=torch.uint8)
    pred = torch.tensor([[[0, 0, 1, 1]], [[1, 1, 1, 0]]], dtype=torch.uint8)
    whole = metrics.mean_iou(matrix_of(pred, label)).item()
    images = [metrics.mean_iou(matrix_of(p[None], t[None])).item() for p, t in zip(pred, label, strict=True)]
    assert whole == pytest.approx((2 / 4 + 4 / 6) / 2)
    assert sum(images) / 2 == pytest.approx(((2 / 3 + 1 / 2) / 2 + (0 + 3 / 4) / 2) / 2)


def test_a_tally_counts_what_it_is_told_to_and_refuses_what_is_beyond() -> None:
    value = torch.tensor([[0, 2, 2], [7, 1, 2]])
    assert metrics.tally(value, value < 5, 4).tolist() == [1, 1, 3, 0]
    assert metrics.tally(value.to(torch.uint8), value == 2, 3).tolist() == [0, 0, 3]
    with pytest.raises(RuntimeError, match="out of bounds"):
        metrics.tally(value, value >= 0, 4)


def test_rule_15_merging_workers_is_exact() -> None:
    pred, label = scored(6)
    parts = [slice(0, 1), slice(1, 4), slice(4, 6)]
    assert torch.equal(sum(matrix_of(pred[p], label[p]) for p in parts), matrix_of(pred, label))
    running = torch.zeros(K, K, dtype=torch.int64)
    for part in parts:
        metrics.confusion_(running, pred[part], label[part])
    assert torch.equal(running, matrix_of(pred, label))


def test_rule_15_only_classes_absent_from_truth_and_prediction_are_skipped() -> None:
    label = torch.tensor([[[0, 0, 1, 2]]], dtype=torch.uint8)
    pred = torch.tensor([[[0, 0, 3, 1]]], dtype=torch.uint8)  # 1 missed, 2 missed, 3 invented, 4 nowhere
    iou = metrics.iou(matrix_of(pred, label))
    assert iou[:4].tolist() == [1, 0, 0, 0] and iou[4].isnan()
    assert metrics.mean_iou(matrix_of(pred, label)).item() == 0.25


def test_rule_12_void_and_padding_are_not_scored() -> None:
    pred, label = scored()
    other = torch.where(labels.valid(label), pred, K - 1)
    assert torch.equal(matrix_of(pred, label), matrix_of(other, label))
    assert matrix_of(pred, label).sum() == labels.valid(label).sum()


def test_rows_are_truth_and_columns_prediction_for_any_integer_dtype() -> None:
    for dtype in (torch.uint8, torch.int64):
        matrix = matrix_of(torch.tensor([[[2, 2, 0]]], dtype=dtype), torch.tensor([[[1, 1, 0]]], dtype=dtype))
        assert matrix[1, 2] == 2 and matrix[0, 0] == 1 and matrix.sum() == 3


def test_rule_14_a_label_out_of_range_does_not_pass_unseen() -> None:
    for wrong in (K, K + 3):
        with pytest.raises(RuntimeError, match="index"):
            matrix_of(torch.zeros(1, 1, 1, dtype=torch.uint8), torch.full((1, 1, 1), wrong, dtype=torch.uint8))


def test_pixel_accuracy_and_the_class_table_by_hand() -> None:
    matrix = torch.tensor([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
    assert metrics.pixel_accuracy(matrix).item() == 0.75
    table = metrics.class_table(matrix, ["sky", "road", "unicorn"])
    assert table["sky"] == pytest.approx({"iou": 6 / 9, "precision": 6 / 7, "recall": 6 / 8, "pixels": 8})
    assert table["road"] == pytest.approx({"iou": 3 / 6, "precision": 3 / 5, "recall": 3 / 4, "pixels": 4})
    assert [math.isnan(table["unicorn"][c]) for c in ("iou", "precision", "recall")] == [True] * 3
    with pytest.raises(ValueError, match="pass the manifest's class names"):
        metrics.class_table(matrix, ["sky"])


def test_an_empty_matrix_has_no_score() -> None:
    empty = torch.zeros(K, K, dtype=torch.int64)
    assert metrics.mean_iou(empty).isnan() and metrics.pixel_accuracy(empty).isnan()
