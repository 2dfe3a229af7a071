"""A user's own folder: matching, splits, class names, and the mistakes people make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data_prep.errors import UsageError
from data_prep.schema import DataError
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
