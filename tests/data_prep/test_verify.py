"""verify finds every kind of damage and names the place."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep.files import sha256_of
from data_prep.pictures import encode_mask
from data_prep.prepare import content_hash
from data_prep.schema import MANIFEST, DataError, Manifest, Shard, load_manifest
from data_prep.shards import Row, column, open_shard, picture_bytes, write_shard
from data_prep.splits import make_split
from data_prep.verify import Report, verify


def check(data: Path) -> Report:
    return verify(data, lambda line: None)


def rows_of(path: Path) -> list[Row]:
    table = open_shard(path)
    names, heights, widths, classes = (column(table, key) for key in ("id", "height", "width", "classes"))
    return [
        Row(
            names[i],
            picture_bytes(table, "image", i) or b"",
            picture_bytes(table, "mask", i),
            heights[i],
            widths[i],
            None if classes[i] is None else tuple(classes[i]),
        )
        for i in range(table.num_rows)
    ]


def rewrite(data: Path, split: str, change: Callable[[list[Row]], list[Row]]) -> None:
    """Change the rows of a split's first shard and make the manifest agree: only the content is wrong then."""
    manifest = load_manifest(data)
    shards = manifest.splits[split].shards
    new = write_shard(data, shards[0].file, change(rows_of(data / shards[0].file)))
    fix_manifest(data, manifest, split, (new, *shards[1:]))


def fix_manifest(data: Path, manifest: Manifest, split: str, shards: tuple[Shard, ...]) -> None:
    splits = {**manifest.splits, split: replace(manifest.splits[split], shards=shards)}
    digest = content_hash(manifest.source, manifest.options, manifest.classes, splits)
    (data / MANIFEST).write_text(replace(manifest, splits=splits, content_hash=digest).to_json())


def test_a_sound_set(scenes: Path) -> None:
    make_split(scenes, "1/4")
    report = check(scenes)
    assert (report.problems, report.notes) == ([], [])
    assert (report.rows, report.shards, report.labelled_splits) == (32, 8, 1)
    first, train, val, digest = report.lines()
    assert first.endswith("sound") and report.to_dict()["ok"] is True
    assert (train, val) == ("train: 24 images, 24 with a mask, 4 shards", "val: 8 images, 8 with a mask, 4 shards")
    assert digest == f"content hash {load_manifest(scenes).content_hash}"


def test_a_flipped_byte(scenes: Path) -> None:
    path = scenes / "train-00002.arrow"
    data = bytearray(path.read_bytes())
    position = data.index(b"IDAT") + 200  # inside a picture
    data[position] ^= 0x10
    path.write_bytes(bytes(data))
    problems = check(scenes).problems
    assert problems[0].startswith("train-00002.arrow: its sha256 is not the manifest's")
    assert "train-00002.arrow row 0 ('train_000012')" in problems[1]


def test_missing_and_torn_shards(scenes: Path) -> None:
    (scenes / "val-00000.arrow").unlink()
    path = scenes / "train-00001.arrow"
    path.write_bytes(path.read_bytes()[:1000])
    problems = " | ".join(check(scenes).problems)
    assert "val-00000.arrow is missing" in problems
    assert "train-00001.arrow: cannot open shard" in problems


def test_the_same_image_in_two_splits(scenes: Path) -> None:
    stolen = rows_of(scenes / "val-00001.arrow")[1]
    rewrite(scenes, "train", lambda rows: [*rows[:-1], replace(rows[-1], image=stolen.image)])
    assert check(scenes).problems == [
        "the same image is in train and in val: "
        "train-00000.arrow row 5 ('train_000005') and val-00001.arrow row 1 ('val_000003')"
    ]


def test_the_same_image_twice_in_a_split_is_a_note(scenes: Path) -> None:
    rewrite(scenes, "train", lambda rows: [replace(rows[0], image=rows[1].image), *rows[1:]])
    report = check(scenes)
    assert report.problems == []
    assert report.notes == [
        "train-00000.arrow row 1 ('train_000001') is the same picture as train-00000.arrow row 0 ('train_000000')"
    ]


MASK = np.zeros((32, 32), np.uint8)
CHANGES: dict[str, tuple[Callable[[Row], Row], str]] = {
    "an id twice": (lambda row: replace(row, id="train_000001"), "row 2 ('train_000001'): the id was used already"),
    "no picture": (lambda row: replace(row, image=b"none"), "row 2 ('train_000002'): image: unreadable"),
    "image size": (lambda row: replace(row, height=31), "image: is (32, 32), the row says (31, 32)"),
    "mask size": (lambda row: replace(row, mask=encode_mask(MASK[1:])), "mask: is (31, 32)"),
    "label value": (
        lambda row: replace(row, mask=encode_mask(MASK + 10)),
        "mask: label value 10, there are 10 classes",
    ),
    "class list": (lambda row: replace(row, mask=encode_mask(MASK)), "mask: holds the classes [0], the row says"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_is_wrong_in_a_row(scenes: Path, kind: str) -> None:
    change, message = CHANGES[kind]
    rewrite(scenes, "train", lambda rows: [*rows[:2], change(rows[2]), *rows[3:]])
    problems = check(scenes).problems
    assert len(problems) == 1 and problems[0].startswith("train-00000.arrow row 2") and message in problems[0]


def test_counts_that_do_not_fit(scenes: Path) -> None:
    def other_labels(rows: list[Row]) -> list[Row]:
        return [replace(rows[0], mask=encode_mask(MASK), classes=(0,)), *rows[1:]]

    rewrite(scenes, "train", other_labels)
    assert check(scenes).problems == ["manifest.json: the pixel counts of train are not those of its masks"]
    rewrite(scenes, "train", lambda rows: rows)  # now the number of rows
    manifest = load_manifest(scenes)
    first, *rest = manifest.splits["train"].shards
    fix_manifest(scenes, manifest, "train", (replace(first, rows=7), *rest))
    assert "train-00000.arrow has 6 rows, the manifest says 7" in check(scenes).problems


def test_an_edited_manifest(scenes: Path) -> None:
    manifest = load_manifest(scenes)
    (scenes / MANIFEST).write_text(replace(manifest, classes=(*manifest.classes[:-1], "sun")).to_json())
    assert check(scenes).problems == ["manifest.json: its content hash does not fit its content: it was edited"]


def test_split_files(scenes: Path) -> None:
    path = make_split(scenes, "1/4").path
    raw = json.loads(path.read_text())

    def problems(**change: Any) -> list[str]:
        path.write_text(json.dumps({**raw, **change}))
        return check(scenes).problems

    assert problems() == []
    assert "stale" in problems(data_hash="0" * 64)[0]
    edited = problems(ids=[*raw["ids"][1:], "val_000001"])
    assert "its content hash does not fit" in edited[0] and "1 ids are not in train, first 'val_000001'" in edited[1]
    path.write_text("{")
    assert "not a labelled split" in check(scenes).problems[0]


def test_a_labelled_row_that_lost_its_mask(scenes: Path) -> None:
    first = make_split(scenes, "1.0", name="all").split.ids[0]
    rewrite(scenes, "train", lambda rows: [replace(rows[0], mask=None, classes=None), *rows[1:]])
    raw = json.loads((scenes / "splits" / "all.json").read_text())
    raw["data_hash"] = load_manifest(scenes).content_hash
    (scenes / "splits" / "all.json").write_text(json.dumps(raw))
    assert f"splits/all.json: 1 ids have no mask, first '{first}'" in check(scenes).problems


def test_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a prepared data set"):
        check(tmp_path)


def test_the_hash_is_that_of_the_file(scenes: Path) -> None:
    for split in load_manifest(scenes).splits.values():
        assert all(sha256_of(scenes / shard.file) == shard.sha256 for shard in split.shards)
