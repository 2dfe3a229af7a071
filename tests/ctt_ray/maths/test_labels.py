"""Label maps: validity, resampling by index, hard targets."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ctt_ray.maths import labels


def slow_nearest(map_HW: Tensor, size: tuple[int, int]) -> Tensor:
    height, width = map_HW.shape
    out = torch.empty(size, dtype=map_HW.dtype)
    for row in range(size[0]):
        for column in range(size[1]):
            # the cell of the old grid that holds the centre of the new cell
            out[row, column] = map_HW[
                (2 * row + 1) * height // (2 * size[0]), (2 * column + 1) * width // (2 * size[1])
            ]
    return out


def test_valid_is_everything_but_void_and_padding() -> None:
    every = torch.arange(256, dtype=torch.uint8)
    assert labels.valid(every).tolist() == [True] * 254 + [False] * 2
    assert labels.valid(every.long()).tolist() == labels.valid(every).tolist()


@settings(max_examples=40, deadline=None)
@given(old=st.tuples(st.integers(1, 17), st.integers(1, 17)), new=st.tuples(st.integers(1, 17), st.integers(1, 17)))
def test_nearest_equals_the_loop(old: tuple[int, int], new: tuple[int, int]) -> None:
    map_BHW = torch.randint(0, 256, (2, *old), dtype=torch.uint8)
    expected = torch.stack([slow_nearest(map_HW, new) for map_HW in map_BHW])
    assert torch.equal(labels.nearest(map_BHW, new), expected)


@settings(max_examples=40, deadline=None)
@given(old=st.tuples(st.integers(1, 17), st.integers(1, 17)), new=st.tuples(st.integers(1, 17), st.integers(1, 17)))
def test_rule_13_labels_are_resampled_by_nearest_only(old: tuple[int, int], new: tuple[int, int]) -> None:
    label_BHW = torch.randint(0, 256, (1, *old), dtype=torch.uint8)
    sampled = labels.nearest(label_BHW, new)
    assert sampled.dtype == torch.uint8
    assert set(sampled.flatten().tolist()) <= set(label_BHW.flatten().tolist())


def test_rule_13_nearest_keeps_values_that_a_float_would_round() -> None:
    big = torch.tensor([[[2**53 + 1, 2**53 + 3], [7, 9]]])
    assert torch.equal(labels.nearest(big, (4, 4))[0, ::2, ::2], big[0])


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float32, torch.bfloat16])
def test_nearest_keeps_the_dtype_and_samples_cell_centres(dtype: torch.dtype) -> None:
    map_BHW = torch.arange(2 * 6 * 9).reshape(2, 6, 9).to(dtype)
    expected = F.interpolate(map_BHW[:, None].double(), size=(2, 3), mode="nearest-exact")[:, 0].to(dtype)
    sampled = labels.nearest(map_BHW, (2, 3))
    assert sampled.dtype == dtype and torch.equal(sampled, expected)


def test_upsample_is_bilinear_between_cell_centres() -> None:
    ramp_11hw = torch.tensor([[[[0.0, 4.0]]]])
    assert labels.upsample(ramp_11hw, (1, 4)).flatten().tolist() == [0.0, 1.0, 3.0, 4.0]


def test_upsample_is_float32_under_autocast_and_keeps_float64() -> None:
    logits = torch.randn(1, 3, 4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert labels.upsample(logits.bfloat16(), (8, 8)).dtype == torch.float32
        assert torch.equal(labels.upsample(logits, (8, 8)), labels.upsample(logits, (8, 8)))
    assert torch.equal(labels.upsample(logits, (4, 4)), logits)
    assert labels.upsample(logits.double(), (8, 8)).dtype == torch.float64


def test_hard_target_is_the_argmax_of_the_softmax_of_upsampled_logits() -> None:
    logits = torch.randn(2, 5, 6, 7, dtype=torch.float64, requires_grad=True)
    probs = F.interpolate(logits, size=(12, 20), mode="bilinear", align_corners=False).softmax(1)
    label_BHW, conf_BHW = labels.hard_target(logits, (12, 20))
    assert label_BHW.dtype == torch.uint8 and not conf_BHW.requires_grad
    assert torch.equal(label_BHW.long(), probs.argmax(1))
    torch.testing.assert_close(conf_BHW, probs.amax(1).detach())


def test_confidence_does_not_overflow_and_is_a_probability() -> None:
    label_Bhw, conf_Bhw = labels.confidence(torch.tensor([1000.0, -1000.0, 0.0]).view(1, 3, 1, 1))
    assert label_Bhw.item() == 0 and conf_Bhw.item() == 1.0
    _, even = labels.confidence(torch.zeros(1, 4, 2, 2))
    torch.testing.assert_close(even, torch.full((1, 2, 2), 0.25))


def test_more_classes_than_a_label_can_hold_is_an_error_with_the_limit() -> None:
    with pytest.raises(ValueError, match="at most 254 classes"):
        labels.confidence(torch.zeros(1, 255, 1, 1))
