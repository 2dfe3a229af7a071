"""The contact sheet and the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_prep.errors import UsageError
from data_prep.schema import load_manifest
from data_prep.sheet import CAPTION, CELL
from data_prep.show import COLUMNS, overlay, show


def test_overlay_by_hand() -> None:
    image = np.full((1, 3, 3), 100, np.uint8)
    mixed = overlay(image, np.array([[0, 1, 255]], np.uint8), ((0, 0, 0), (200, 100, 0)))
    np.testing.assert_array_equal(mixed, [[[45, 45, 45], [155, 100, 45], [185, 185, 185]]])


def test_sheet_and_table(raw_folder: Path, prepare_folder: Any, tmp_path: Path) -> None:
    prepare_folder(raw_folder, val_fraction=0)
    shown = show(tmp_path / "out", tmp_path / "sheets" / "s.png", count=5, split="train")
    sheet = Image.open(tmp_path / "sheets" / "s.png")
    assert sheet.size == (COLUMNS * 2 * CELL, 2 * (CELL + CAPTION))  # five samples fill two lines
    assert np.asarray(sheet)[:100, :CELL].std() > 5  # there is a picture
    assert np.asarray(Image.open(tmp_path / "sheets" / "s_classes.png")).std() > 5
    manifest = load_manifest(tmp_path / "out")
    total = sum(manifest.splits["train"].pixels)
    assert [row.share for row in shown.classes] == [count / total for count in manifest.splits["train"].pixels]
    assert (shown.rows, shown.with_mask) == (12, 10)
    assert shown.void_share == pytest.approx(4 / (24 * 32))  # each mask's void corner
    table = shown.table()
    assert table[0].startswith("train: 12 images, 10 with a mask, 0.5% of it void") and len(table) == 5


def test_more_samples_than_rows(scenes: Path, tmp_path: Path) -> None:
    show(scenes, tmp_path / "s.png", count=99, split="val")
    assert Image.open(tmp_path / "s.png").size[1] == 3 * (CELL + CAPTION)  # 8 images


def test_mistakes(scenes: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no split 'tests' .* there are: train, val"):
        show(scenes, tmp_path / "s.png", count=3, split="tests")
    with pytest.raises(UsageError, match="--count 0"):
        show(scenes, tmp_path / "s.png", count=0, split="train")
    with pytest.raises(UsageError, match=r"ends in \.png"):
        show(scenes, tmp_path / "s.gif", count=3, split="train")
