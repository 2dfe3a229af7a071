"""CamVid's layout, and the true set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data_prep.errors import BadItem
from data_prep.options import WriteOptions
from data_prep.prepare import prepare
from data_prep.schema import DataError
from data_prep.sources.camvid import Camvid


@pytest.fixture
def raw(tmp_path: Path, draw: Any) -> Path:
    for split, names in {"train": "ab", "val": "c"}.items():
        for index, name in enumerate(names):
            draw.save(tmp_path / "images" / split / f"{name}.jpg", draw.picture(index))
            draw.save(tmp_path / "labels" / split / f"{name}.png", draw.labels(index, 11))
    return tmp_path


def test_pairs_and_classes(raw: Path) -> None:
    opened = Camvid(raw).open()
    assert len(opened.classes) == 11 and opened.classes[-1] == "bicyclist" and opened.palette[3] == (128, 64, 128)
    assert {split: [item.id for item in items] for split, items in opened.splits.items()} == {
        "train": ["a", "b"],
        "val": ["c"],
    }
    pair = opened.splits["train"][1].read()
    assert (pair.image_file, pair.mask_file) == ("images/train/b.jpg", "labels/train/b.png")
    assert pair.mask == (raw / pair.mask_file).read_bytes()


def test_lonely_files_are_bad_items(raw: Path, draw: Any) -> None:
    (raw / "labels/train/a.png").unlink()
    draw.save(raw / "labels/train/z.png", draw.labels(0, 11))
    reasons = {}
    for item in Camvid(raw).open().splits["train"]:
        try:
            item.read()
        except BadItem as bad:
            reasons[item.id] = (bad.file, bad.reason)
    assert reasons == {
        "a": ("images/train/a.jpg", "no mask labels/train/a.png"),
        "z": ("labels/train/z.png", "mask without an image"),
    }


def test_a_missing_folder(raw: Path) -> None:
    (raw / "labels/val").rename(raw / "elsewhere")
    with pytest.raises(DataError, match=r"CamVid's val labels not found: .*labels/val is not a folder"):
        Camvid(raw).open()


@pytest.mark.real
def test_the_true_set(real_data: Path, tmp_path: Path) -> None:
    manifest = prepare(Camvid(real_data / "camvid").open(), WriteOptions(tmp_path), print).manifest
    assert {name: split.rows for name, split in manifest.splits.items()} == {"train": 367, "val": 101}
    assert manifest.quarantined == 0
    pixels = manifest.splits["train"].pixels
    shares = [round(100 * count / sum(pixels), 1) for count in pixels]
    assert shares == [17.5, 24.2, 1.0, 33.0, 4.7, 10.1, 1.2, 1.2, 6.1, 0.7, 0.3]  # the table of its README
