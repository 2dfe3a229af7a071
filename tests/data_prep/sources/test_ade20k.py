"""The challenge's layout of ADE20K: ids shifted by one, 0 is void, names from its list."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.options import WriteOptions
from data_prep.pictures import read_labels, to_train_ids
from data_prep.prepare import prepare
from data_prep.schema import DataError
from data_prep.shards import column, open_shard, picture_bytes
from data_prep.sources.ade20k import LABEL_TABLE, Ade20k, class_names

NAMES = {"training": [f"ADE_train_{n:08d}" for n in range(1, 6)], "validation": ["ADE_val_00000001"]}


@pytest.fixture
def raw(tmp_path: Path, draw: Any) -> Path:
    root = tmp_path / "raw" / "ADEChallengeData2016"
    for folder, names in NAMES.items():
        for index, name in enumerate(names):
            draw.save(root / "images" / folder / f"{name}.jpg", draw.picture(index))
            mask = draw.labels(index, 151)
            draw.save(root / "annotations" / folder / f"{name}.png", np.where(mask == 255, 0, mask).astype(np.uint8))
    return root


def write_names(path: Path, names: list[str]) -> Path:
    lines = [f"{index + 1}\t0.{index:04d}\t{index}\t{index}\t0\t{name}\t" for index, name in enumerate(names)]
    path.write_text("\n".join(["Idx\tRatio\tTrain\tVal\tStuff\tName", *lines]) + "\n")
    return path


def test_shards_hold_the_masks_less_one(raw: Path, tmp_path: Path) -> None:
    manifest = prepare(Ade20k(raw.parent).open(), WriteOptions(tmp_path / "out"), print).manifest
    assert (manifest.splits["train"].rows, manifest.splits["val"].rows, manifest.quarantined) == (5, 1, 0)
    assert manifest.classes[0] == "class_001" and manifest.classes[149] == "class_150" and len(manifest.classes) == 150
    for shard in manifest.splits["train"].shards:
        table = open_shard(tmp_path / "out" / shard.file)
        for row, name in enumerate(column(table, "id")):
            stored = read_labels(picture_bytes(table, "mask", row) or b"", name)
            original = read_labels((raw / f"annotations/training/{name}.png").read_bytes(), name).astype(int)
            np.testing.assert_array_equal(stored, np.where(original == 0, 255, original - 1))
            assert picture_bytes(table, "image", row) == (raw / f"images/training/{name}.jpg").read_bytes()
    again = prepare(Ade20k(raw).open(), WriteOptions(tmp_path / "again", workers=1), print).manifest
    assert again == manifest


@given(st.lists(st.integers(0, 150), min_size=1, max_size=30))
def test_every_value_has_its_class(values: list[int]) -> None:
    mapped = to_train_ids(np.array([values], np.uint8), LABEL_TABLE, "m", 150)
    assert mapped[0].tolist() == [value - 1 if value else 255 for value in values]


def test_the_table_and_the_palette(raw: Path) -> None:
    opened = Ade20k(raw).open()
    assert opened.label_table == LABEL_TABLE and sorted(LABEL_TABLE) == list(range(151))
    assert len(set(opened.palette)) == 150 and (0, 0, 0) not in opened.palette
    assert opened.notes and "class_001 to class_150" in opened.notes[0]


def test_names_are_the_first_synonym_unless_two_begin_alike(raw: Path) -> None:
    names = [f"thing{index}, item{index}" for index in range(150)]
    names[0], names[1], names[7], names[9] = "wall", "building; edifice", "screen, crt", "screen, film"
    write_names(raw / "objectInfo150.txt", names)
    opened = Ade20k(raw).open()
    assert opened.classes[:3] == ("wall", "building", "thing2")
    assert (opened.classes[7], opened.classes[9]) == ("screen, crt", "screen, film")
    assert len(set(opened.classes)) == 150 and opened.notes == ()


@pytest.mark.parametrize("names", [["wall", "building"], [f"n{index}" for index in range(151)], []])
def test_a_list_of_other_classes(tmp_path: Path, names: list[str]) -> None:
    file = write_names(tmp_path / "objectInfo150.txt", names)
    with pytest.raises(DataError, match=rf"does not name the classes 1 to 150 in order: {len(names)} lines"):
        class_names(file)


def test_bad_files_are_quarantined(raw: Path, tmp_path: Path, draw: Any) -> None:
    masks = raw / "annotations" / "training"
    (masks / "ADE_train_00000001.png").unlink()
    draw.save(masks / "ADE_train_00000002.png", np.zeros((24, 33), np.uint8))
    draw.save(masks / "ADE_train_00000003.png", np.full((24, 32), 151, np.uint8))
    draw.save(masks / "ADE_train_99999999.png", np.zeros((24, 32), np.uint8))
    draw.save(raw / "images" / "training" / "ADE_train_00000004.png", draw.picture(3))
    manifest = prepare(Ade20k(raw).open(), WriteOptions(tmp_path / "out"), print).manifest
    with (tmp_path / "out" / "quarantine.csv").open() as stream:
        entries = {(row["file"], row["reason"].split(" (")[0]) for row in csv.DictReader(stream)}
    assert entries == {
        ("images/training/ADE_train_00000001.jpg", "no mask annotations/training/ADE_train_00000001.png"),
        ("annotations/training/ADE_train_00000002.png", "size mismatch: mask 24x33, image 24x32"),
        (
            "annotations/training/ADE_train_00000003.png",
            "unknown label value 151 in 768 pixels: 150 classes are named, the mask may hold 0 to 150 and 255",
        ),
        ("annotations/training/ADE_train_99999999.png", "mask without an image"),
        ("images/training/ADE_train_00000004.png", "a second image of the same name"),
    }
    assert manifest.splits["train"].rows == 2


def test_layout_mistakes(raw: Path, tmp_path: Path) -> None:
    (raw / "annotations" / "validation").rename(raw / "annotations" / "val")
    with pytest.raises(DataError, match=r"ADE20K's validation annotations not found: .* holds: training, val"):
        Ade20k(raw).open()
    (raw / "images").rename(raw / "pictures")
    with pytest.raises(DataError, match=r"no ADEChallengeData2016 in .* It holds: annotations, pictures\. Unpack"):
        Ade20k(raw).open()
    with pytest.raises(DataError, match="the ADE20K folder not found"):
        Ade20k(tmp_path / "nowhere").open()
