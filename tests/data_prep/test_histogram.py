"""Bars are as long as the shares say."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.histogram import GAP, HEAD, LINE, PANEL, Bars, draw_histogram

RED, BLUE = (200, 0, 0), (0, 0, 200)


def length(picture: np.ndarray, colour: tuple[int, int, int], line: int) -> list[int]:
    """Widths of the bars of this colour in the middle of a line: pixels, images."""
    row = (picture[line] == colour).all(1)
    half = picture.shape[1] // 2
    return [int(row[:half].sum()), int(row[half:].sum())]


def test_one_split() -> None:
    picture = draw_histogram(["a", "b"], [RED, BLUE], [Bars("train", [0.8, 0.2], [0.5, 1.0])])
    lines = [HEAD + LINE // 2 + index * (LINE + GAP) for index in range(2)]
    assert length(picture, RED, lines[0]) == [PANEL + 1, PANEL // 2 + 1]  # the longest fills the panel
    assert length(picture, BLUE, lines[1]) == [PANEL // 4 + 1, PANEL + 1]
    assert length(picture, RED, lines[1]) == [0, 0]


def test_the_second_split_is_paler_and_below() -> None:
    picture = draw_histogram(["a"], [RED], [Bars("train", [1.0], [1.0]), Bars("val", [0.5], [0.0])])
    assert length(picture, RED, HEAD + LINE // 2) == [PANEL + 1, PANEL + 1]
    assert length(picture, (228, 128, 128), HEAD + LINE + LINE // 2) == [PANEL // 2 + 1, 0]


def test_many_classes_and_empty_masks() -> None:
    names = [f"class_{n:03d}" for n in range(150)]
    picture = draw_histogram(names, [RED] * 150, [Bars("train", [0.0] * 150, [0.0] * 150)])
    assert picture.shape[0] > 150 * (LINE + GAP) and not (picture == RED).all(2).any()
    np.testing.assert_array_equal(
        picture, draw_histogram(names, [RED] * 150, [Bars("train", [0.0] * 150, [0.0] * 150)])
    )


@pytest.mark.parametrize(("share", "text"), [(0.0, "none"), (0.0004, "0.040%"), (0.001, "0.1%"), (1.0, "100.0%")])
def test_small_shares_are_written_out(share: float, text: str) -> None:
    from data_prep.histogram import _written

    assert _written(share) == text
