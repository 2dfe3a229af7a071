"""Cityscapes' layout and names, its table of ids, and what is missing or superfluous in it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import BadItem, UsageError
from data_prep.options import WriteOptions
from data_prep.pictures import read_labels, to_train_ids
from data_prep.prepare import prepare
from data_prep.schema import DataError, Manifest
from data_prep.shards import column, open_shard, picture_bytes
from data_prep.sources.cityscapes import LABEL_IDS, PALETTE, Cityscapes, label_table
from data_prep.splits import make_split

SCORED = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]  # label id of train id 0, 1, ...
FRAMES = {
    "train": ["aachen_000000_000019", "aachen_000001_000019", "ulm_000002_000019", "ulm_000003_000019"],
    "val": ["frankfurt_000000_000294"],
    "test": ["berlin_000000_000019"],
}


def image_path(root: Path, split: str, name: str) -> Path:
    return root / "leftImg8bit" / split / name.split("_")[0] / f"{name}_leftImg8bit.png"


def mask_path(root: Path, split: str, name: str, kind: str = "labelIds") -> Path:
    return root / "gtFine" / split / name.split("_")[0] / f"{name}_gtFine_{kind}.png"


@pytest.fixture
def raw(tmp_path: Path, draw: Any) -> Path:
    """Small pictures under the true names, with the files of the download that are not needed."""
    root = tmp_path / "raw"
    for split, names in FRAMES.items():
        for index, name in enumerate(names):
            draw.save(image_path(root, split, name), draw.picture(index))
            mask = draw.labels(index, 34)
            mask[mask == 255] = 0  # label ids have no 255
            draw.save(mask_path(root, split, name), mask if split != "test" else np.zeros_like(mask))
            draw.save(mask_path(root, split, name, "instanceIds"), mask.astype(np.uint16) * 1000)
            draw.save(mask_path(root, split, name, "color"), draw.picture(7))
            draw.save(mask_path(root, split, name, "polygons").with_suffix(".json"), b"{}")
    return root


def rows(out: Path, manifest: Manifest, split: str) -> dict[str, bytes | None]:
    found = {}
    for shard in manifest.splits[split].shards:
        table = open_shard(out / shard.file)
        found |= {name: picture_bytes(table, "mask", row) for row, name in enumerate(column(table, "id"))}
    return found


def test_the_table_is_the_official_one() -> None:
    table = label_table("labelIds")
    assert sorted(table) == list(range(34)) and len(LABEL_IDS) == 34
    assert [raw for raw in range(34) if table[raw] != 255] == SCORED
    assert [table[raw] for raw in SCORED] == list(range(19))
    assert [LABEL_IDS[raw] for raw in SCORED] == list(PALETTE)
    assert (PALETTE["road"], PALETTE["sky"], PALETTE["bicycle"]) == ((128, 64, 128), (70, 130, 180), (119, 11, 32))
    assert len(set(PALETTE.values())) == 19
    assert label_table("labelTrainIds") == {index: index for index in range(19)}


@given(st.lists(st.integers(0, 34), min_size=1, max_size=40))
def test_ids_map_pixel_by_pixel_and_everything_else_is_void(values: list[int]) -> None:
    values = [255 if value == 34 else value for value in values]
    mapped = to_train_ids(np.array([values], np.uint8), label_table("labelIds"), "m", 19)
    assert mapped[0].tolist() == [SCORED.index(value) if value in SCORED else 255 for value in values]


def test_both_kinds_of_mask_give_the_same_data_set(raw: Path, tmp_path: Path, draw: Any) -> None:
    first = prepare(Cityscapes(raw).open(), WriteOptions(tmp_path / "one"), print).manifest
    assert {name: (split.rows, split.with_mask) for name, split in first.splits.items()} == {
        "train": (4, 4),
        "val": (1, 1),
        "test": (1, 0),  # its masks hold void only and are not read
    }
    for split in ("train", "val"):
        for name in FRAMES[split]:
            path = mask_path(raw, split, name)
            labels = read_labels(path.read_bytes(), name)
            slow = np.array([[SCORED.index(v) if v in SCORED else 255 for v in line] for line in labels.tolist()])
            np.testing.assert_array_equal(read_labels(rows(tmp_path / "one", first, split)[name] or b"", name), slow)
            draw.save(mask_path(raw, split, name, "labelTrainIds"), slow.astype(np.uint8))
            path.unlink()
    second = prepare(Cityscapes(raw).open(), WriteOptions(tmp_path / "two"), print).manifest
    assert second == first  # shards, pixel counts and content hash


def test_the_same_files_elsewhere_give_the_same_bytes(raw: Path, tmp_path: Path) -> None:
    prepare(Cityscapes(raw).open(), WriteOptions(tmp_path / "one", workers=1), print)
    prepare(Cityscapes(raw.rename(tmp_path / "moved")).open(), WriteOptions(tmp_path / "two", workers=3), print)
    first = {path.name: path.read_bytes() for path in (tmp_path / "one").glob("*.arrow")}
    assert first and first == {path.name: path.read_bytes() for path in (tmp_path / "two").glob("*.arrow")}


def test_a_frame_of_the_true_size(tmp_path: Path, draw: Any) -> None:
    blocks = np.random.default_rng(0).integers(0, 34, (8, 16), dtype=np.uint8)
    for split, name in (("train", "aachen_000000_000019"), ("val", "lindau_000000_000019")):
        draw.save(image_path(tmp_path, split, name), draw.picture(0, 1024, 2048))
        draw.save(mask_path(tmp_path, split, name), np.kron(blocks, np.ones((128, 128), np.uint8)))
    write = WriteOptions(tmp_path / "out", short_side=512)  # the half-size images of the published experiments
    manifest = prepare(Cityscapes(tmp_path).open(), write, print).manifest
    assert (manifest.sizes["max_height"], manifest.sizes["max_width"]) == (512, 1024)
    small = read_labels(rows(tmp_path / "out", manifest, "train")["aachen_000000_000019"] or b"", "m")
    table = label_table("labelIds")
    slow = np.array([[table[value] for value in line] for line in blocks.tolist()])
    np.testing.assert_array_equal(small[32::64, 32::64], slow)
    assert manifest.splits["val"].pixels == tuple(int((slow == index).sum()) * 64 * 64 for index in range(19))


def test_bad_files_are_quarantined(raw: Path, tmp_path: Path, draw: Any) -> None:
    first, second, third, _ = FRAMES["train"]
    mask_path(raw, "train", first).unlink()
    draw.save(mask_path(raw, "train", second), np.zeros((24, 31), np.uint8))
    image_path(raw, "train", third).unlink()
    draw.save(raw / "leftImg8bit/train/zurich/ulm_000003_000019_leftImg8bit.png", draw.picture(1))
    manifest = prepare(Cityscapes(raw).open(), WriteOptions(tmp_path / "out"), print).manifest
    with (tmp_path / "out" / "quarantine.csv").open() as stream:
        entries = {(row["file"], row["reason"]) for row in csv.DictReader(stream)}
    assert entries == {
        (
            "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png",
            "no mask gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png",
        ),
        (
            "gtFine/train/aachen/aachen_000001_000019_gtFine_labelIds.png",
            "size mismatch: mask 24x31, image 24x32 (HxW)",
        ),
        ("gtFine/train/ulm/ulm_000002_000019_gtFine_labelIds.png", "mask without an image"),
        ("leftImg8bit/train/zurich/ulm_000003_000019_leftImg8bit.png", "a second image of the same name"),
    }
    assert manifest.splits["train"].rows == 1 and manifest.quarantined == 4


def test_a_value_that_is_no_id_is_named(raw: Path, draw: Any) -> None:
    name = FRAMES["train"][0]
    opened = Cityscapes(raw).open()
    labels = np.full((24, 32), 34, np.uint8)
    with pytest.raises(BadItem, match=r"unknown label value 34 in 768 pixels: 19 classes .* 0 to 33 and 255"):
        to_train_ids(labels, opened.label_table, name, len(opened.classes))


def test_train_extra_is_unlabelled_and_only_on_request(raw: Path, tmp_path: Path, draw: Any) -> None:
    draw.save(image_path(raw, "train_extra", "bayreuth_000000_000019"), draw.picture(9))
    plain = Cityscapes(raw).open()
    assert len(plain.splits["train"]) == 4 and any("--extra" in note for note in plain.notes)
    manifest = prepare(Cityscapes(raw, extra=True).open(), WriteOptions(tmp_path / "out"), print).manifest
    train = rows(tmp_path / "out", manifest, "train")
    assert len(train) == 5 and train["bayreuth_000000_000019"] is None
    assert manifest.splits["train"].with_mask == 4


def test_no_test_leaves_it_out(raw: Path) -> None:
    assert set(Cityscapes(raw, test=False).open().splits) == {"train", "val"}
    for name in FRAMES["test"]:
        mask_path(raw, "test", name).unlink()
    assert len(Cityscapes(raw).open().splits["test"]) == 1  # images without masks, as some copies have it


def test_published_lists_name_its_ids(raw: Path, tmp_path: Path) -> None:
    prepare(Cityscapes(raw).open(), WriteOptions(tmp_path / "out"), print)
    chosen = FRAMES["train"][1:3]
    paths = [
        f"{image_path(Path(), 'train', name)} {mask_path(Path(), 'train', name, 'labelTrainIds')}" for name in chosen
    ]
    (tmp_path / "pairs.txt").write_text("\n".join(paths))
    assert list(make_split(tmp_path / "out", "", ids=tmp_path / "pairs.txt").split.ids) == chosen


def test_layout_mistakes(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--masks polygons: choose one of auto, labelIds, labelTrainIds"):
        Cityscapes(raw, masks="polygons").open()  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"no masks in .*gtFine/train: CITY/NAME_gtFine_labelTrainIds\.png is needed"):
        Cityscapes(raw, masks="labelTrainIds").open()
    with pytest.raises(DataError, match=r"Cityscapes' train_extra images not found: .* holds: test, train, val"):
        Cityscapes(raw, extra=True).open()
    (raw / "gtFine").rename(raw / "gtCoarse")
    with pytest.raises(DataError, match=r"fine annotations not found: .*gtFine is not a folder.*gtCoarse, leftImg8bit"):
        Cityscapes(raw).open()
    with pytest.raises(DataError, match="the Cityscapes folder not found"):
        Cityscapes(tmp_path / "nowhere").open()
