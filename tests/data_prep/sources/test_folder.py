"""A user's own folder: matching, splits, class names, and the mistakes people make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep.errors import UsageError
from data_prep.options import WriteOptions
from data_prep.pictures import read_labels
from data_prep.prepare import prepare
from data_prep.schema import DataError
from data_prep.shards import column, open_shard, picture_bytes
from data_prep.sources.folder import Folder


def ids(source: Folder) -> dict[str, list[str]]:
    return {split: sorted(item.id for item in items) for split, items in source.open().splits.items()}


def test_any_depth_matched_by_relative_stem(tmp_path: Path, draw: Any) -> None:
    for name in ("site/one", "site/deep/one", "two"):
        draw.save(tmp_path / "images" / f"{name}.tif", draw.picture(0))
        draw.save(tmp_path / "labels" / f"{name}.png", draw.labels(0, 2))
    draw.save(tmp_path / "images" / ".hidden.jpg", b"")
    source = Folder(tmp_path, classes="a,b", val_fraction=0)
    assert ids(source) == {"train": ["site/deep/one", "site/one", "two"]}
    pair = next(item for item in source.open().splits["train"] if item.id == "site/one").read()
    assert (pair.image_file, pair.mask_file) == ("images/site/one.tif", "labels/site/one.png")


def test_val_is_drawn_by_hash_from_the_labelled_images(raw_folder: Path) -> None:
    drawn = ids(Folder(raw_folder, classes="a,b,c", val_fraction=0.3))
    assert len(drawn["val"]) == 3 and set(drawn["val"]) <= set("abcdefghij")
    assert sorted(drawn["train"] + drawn["val"]) == list("abcdefghijyz")
    assert drawn == ids(Folder(raw_folder, classes="a,b,c", val_fraction=0.3))
    others = [ids(Folder(raw_folder, classes="a,b,c", val_fraction=0.3, seed=seed))["val"] for seed in range(1, 5)]
    assert any(other != drawn["val"] for other in others)


def test_split_folders_are_taken_as_they_are(tmp_path: Path, draw: Any) -> None:
    for split, names in {"train": "ab", "val": "ac", "test": "d"}.items():
        for name in names:  # 'a' is another picture in val: ids are unique within a split
            draw.save(tmp_path / "images" / split / f"{name}.jpg", draw.picture(ord(name)))
            draw.save(tmp_path / "masks" / split / f"{name}.png", draw.labels(0, 2))
    source = Folder(tmp_path, classes="a,b")
    assert ids(source) == {"train": ["a", "b"], "val": ["a", "c"], "test": ["d"]}
    assert source.open().options == {}  # no draw took part


def test_train_folder_without_val_is_divided(tmp_path: Path, draw: Any) -> None:
    for name in "abcd":
        draw.save(tmp_path / "images" / "train" / f"{name}.jpg", draw.picture(ord(name)))
        draw.save(tmp_path / "masks" / "train" / f"{name}.png", draw.labels(0, 2))
    drawn = ids(Folder(tmp_path, classes="a,b", val_fraction=0.25))
    assert len(drawn["val"]) == 1 and len(drawn["train"]) == 3


def test_names_file(raw_folder: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\ufeffground\n\n sky \ncar\n", encoding="utf-8")
    assert Folder(raw_folder, names=names).open().classes == ("ground", "sky", "car")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "--classes background,cat,dog or --names"),
        ({"classes": "a,a,b"}, "given twice: a"),
        ({"classes": ","}, "0 class names given"),
        ({"classes": "a", "names": Path("n.txt")}, "keep one"),
        ({"classes": "a", "colours": Path("c.csv")}, "--classes, --names and --colours were given: keep one"),
        ({"classes": "a,b,c", "val_fraction": 1.5}, "--val-fraction 1.5"),
    ],
)
def test_senseless_options(raw_folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Folder(raw_folder, **options).open()


def test_a_fraction_that_makes_no_val(raw_folder: Path) -> None:
    with pytest.raises(DataError, match=r"--val-fraction 0.01 of 10 labelled images makes 0 val images"):
        Folder(raw_folder, classes="a,b,c", val_fraction=0.01).open()


def test_layout_mistakes(raw_folder: Path, tmp_path: Path, draw: Any) -> None:
    source = Folder(raw_folder, classes="a,b,c")
    (raw_folder / "labels").mkdir()
    with pytest.raises(DataError, match="masks/ or labels/; both found"):
        source.open()
    (raw_folder / "labels").rmdir()
    for path in (raw_folder / "masks").iterdir():
        path.rename(path.with_stem(path.stem + "_mask"))
    with pytest.raises(DataError, match="the first image is 'a', the first mask 'a_mask'"):
        source.open()
    (raw_folder / "masks").rename(tmp_path / "gone")
    with pytest.raises(DataError, match="neither found"):
        source.open()
    with pytest.raises(DataError, match="the raw folder not found"):
        Folder(tmp_path / "no" / "where", classes="a").open()
    (tmp_path / "empty" / "images").mkdir(parents=True)
    (tmp_path / "empty" / "masks").mkdir()
    with pytest.raises(DataError, match=r"no images in .*empty/images. Put files there"):
        Folder(tmp_path / "empty", classes="a").open()
    with pytest.raises(DataError, match=r"cannot read the list .*nope.txt"):
        Folder(raw_folder, names=tmp_path / "nope.txt").open()


def test_a_list_pairs_files_of_any_name(tmp_path: Path, draw: Any) -> None:
    raw = tmp_path / "raw"
    for index, name in enumerate("abcd"):
        draw.save(raw / "shots" / f"{name}.jpg", draw.picture(index))
    for index, name in enumerate(["first", "second", "third"]):
        draw.save(raw / "truth" / f"{name}.png", draw.labels(index, 2))
    draw.save(raw / "shots" / "a.png", draw.picture(8))
    lines = [
        "image,mask,split",
        "shots/a.jpg,truth/first.png,train",
        "shots/b.jpg,truth/second.png,val",
        "shots/c.jpg,,",
        "shots/d.jpg,truth/fourth.png,train",
        "shots/a.jpg,truth/third.png,val",  # ids are unique within a split
        "shots/a.png,,train",
        "shots/e.jpg,truth/third.png,train",
    ]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    source = Folder(raw, pairs=tmp_path / "list.csv", classes="a,b")
    assert source.open().options == {}
    manifest = prepare(source.open(), WriteOptions(tmp_path / "out"), print).manifest
    assert {name: (split.rows, split.with_mask) for name, split in manifest.splits.items()} == {
        "train": (2, 1),
        "val": (2, 2),
    }
    assert (tmp_path / "out" / "quarantine.csv").read_text().splitlines()[1:] == [
        'shots/a,shots/a.png,"listed twice, or a second file of the same name"',
        'shots/d,truth/fourth.png,"listed, but there is no such file"',
        'shots/e,shots/e.jpg,"listed, but there is no such file"',
    ]
    raw.rename(tmp_path / "moved")
    again = Folder(tmp_path / "moved", pairs=tmp_path / "list.csv", classes="a,b")
    assert prepare(again.open(), WriteOptions(tmp_path / "again", workers=1), print).manifest == manifest


def test_a_list_without_val_is_divided_and_one_without_train_refused(raw_folder: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "list.jsonl"
    pairs.write_text("\n".join(f'{{"image": "images/{n}.jpg", "mask": "masks/{n}.png"}}' for n in "abcdefghij"))
    listed = Folder(raw_folder, pairs=pairs, classes="a,b,c", val_fraction=0.3)
    assert {split: len(names) for split, names in ids(listed).items()} == {"train": 7, "val": 3}
    assert listed.open().options == {"val_fraction": 0.3, "seed": 0}
    pairs.write_text('{"image": "images/a.jpg", "mask": "masks/a.png", "split": "val"}')
    with pytest.raises(DataError, match=r"list\.jsonl is of train, only of val\. Add training images"):
        listed.open()


def test_colour_masks_by_their_table(tmp_path: Path, draw: Any) -> None:
    palette = np.array([(200, 0, 0), (0, 200, 0), (0, 0, 0)], np.uint8)
    wanted = {}
    for index, name in enumerate("abcd"):
        labels = np.random.default_rng(index).integers(0, 3, (24, 32))
        wanted[name] = np.where(labels == 2, 255, labels)
        draw.save(tmp_path / "raw" / "images" / f"{name}.jpg", draw.picture(index))
        draw.save(tmp_path / "raw" / "masks" / f"{name}.png", palette[labels])
    draw.save(tmp_path / "raw" / "images" / "e.jpg", draw.picture(9))
    draw.save(tmp_path / "raw" / "masks" / "e.png", np.full((24, 32, 3), 77, np.uint8))
    (tmp_path / "colours.csv").write_text("roof,200,0,0\nlawn,0,200,0\nvoid,0,0,0\n")
    said: list[str] = []
    source = Folder(tmp_path / "raw", colours=tmp_path / "colours.csv", val_fraction=0)
    manifest = prepare(source.open(), WriteOptions(tmp_path / "out"), said.append).manifest
    assert manifest.classes == ("roof", "lawn") and manifest.palette == ((200, 0, 0), (0, 200, 0))
    assert manifest.options["colours"] == ["#c80000 roof", "#00c800 lawn", "#000000 void"]  # kept ...
    assert said[:4] == ["colours of the masks:", "#c80000 roof", "#00c800 lawn", "#000000 void"]  # ... and shown
    assert "e,masks/e.png,unknown colour #4d4d4d in 768 pixels" in (tmp_path / "out" / "quarantine.csv").read_text()
    found = {}
    for shard in manifest.splits["train"].shards:
        table = open_shard(tmp_path / "out" / shard.file)
        for row, name in enumerate(column(table, "id")):
            found[name] = read_labels(picture_bytes(table, "mask", row) or b"", name)
    assert found.keys() == wanted.keys()
    for name, mask in found.items():
        np.testing.assert_array_equal(mask, wanted[name])
