"""The VOC layout, with and without the augmented masks, and a true subset of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep.errors import BadItem, UsageError
from data_prep.options import WriteOptions
from data_prep.pictures import read_labels
from data_prep.prepare import prepare
from data_prep.schema import DataError, load_manifest
from data_prep.shards import column, open_shard, picture_bytes
from data_prep.sources.voc import CLASSES, Voc

TRAIN, EXTRA, VAL = ["2007_000032", "2007_000039"], ["2008_000001"], ["2009_000002"]


@pytest.fixture
def devkit(tmp_path: Path, draw: Any) -> Path:
    """The folder that holds VOCdevkit; the augmented mask of an id differs from its official one."""
    root = tmp_path / "raw" / "VOCdevkit" / "VOC2012"
    for index, name in enumerate(TRAIN + EXTRA + VAL):
        draw.save(root / "JPEGImages" / f"{name}.jpg", draw.picture(index))
        draw.save(root / "SegmentationClassAug" / f"{name}.png", draw.palette_png(draw.labels(100 + index, 21)))
        if name not in EXTRA:
            draw.save(root / "SegmentationClass" / f"{name}.png", draw.palette_png(draw.labels(index, 21)))
    for name, ids in {"train": TRAIN, "val": VAL, "train_aug": EXTRA + TRAIN}.items():
        draw.save(root / "ImageSets" / "Segmentation" / f"{name}.txt", "\n".join(ids).encode() + b"\n")
    return tmp_path / "raw"


def masks_of(source: Voc, split: str) -> dict[str, np.ndarray | None]:
    found: dict[str, np.ndarray | None] = {}
    for item in source.open().splits[split]:
        mask = item.read().mask
        found[item.id] = None if mask is None else read_labels(mask, item.id)
    return found


@pytest.mark.parametrize("below", [".", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_the_root_is_found_from_three_folders(devkit: Path, below: str) -> None:
    raw = Voc(devkit / below).open()
    assert raw.classes == CLASSES and len(raw.classes) == 21
    assert raw.palette[:3] == ((0, 0, 0), (128, 0, 0), (0, 128, 0)) and raw.palette[20] == (0, 64, 128)
    assert {split: len(items) for split, items in raw.splits.items()} == {"train": 3, "val": 1}


def test_augmented_masks_for_train_official_ones_for_val(devkit: Path, draw: Any) -> None:
    train, val = masks_of(Voc(devkit), "train"), masks_of(Voc(devkit), "val")
    assert list(train) == sorted(TRAIN + EXTRA)
    for index, name in enumerate(TRAIN + EXTRA):
        np.testing.assert_array_equal(train[name], draw.labels(100 + index, 21))
    np.testing.assert_array_equal(val[VAL[0]], draw.labels(3, 21))


def test_without_the_augmented_set(devkit: Path, draw: Any) -> None:
    official = masks_of(Voc(devkit, aug=False), "train")
    assert list(official) == TRAIN
    for index, name in enumerate(TRAIN):
        np.testing.assert_array_equal(official[name], draw.labels(index, 21))
    (devkit / "VOCdevkit/VOC2012/ImageSets/Segmentation/train_aug.txt").unlink()
    raw = Voc(devkit).open()
    assert [item.id for item in raw.splits["train"]] == TRAIN and raw.options["aug"] is False
    assert raw.notes == ("train ids from train.txt, masks from SegmentationClass",)


def test_kept_classes_are_reindexed_and_the_rest_is_void(devkit: Path, tmp_path: Path, draw: Any) -> None:
    kept = ["background", "person", "cat"]
    out = tmp_path / "out"
    manifest = prepare(Voc(devkit, classes=",".join(kept)).open(), WriteOptions(out), print).manifest
    assert manifest.classes == tuple(kept)
    assert manifest.palette[1] == (192, 128, 128)  # person keeps its colour
    table = open_shard(out / manifest.splits["val"].shards[0].file)
    new = read_labels(picture_bytes(table, "mask", 0) or b"", "")
    slow = [
        [kept.index(CLASSES[v]) if v < 21 and CLASSES[v] in kept else 255 for v in line] for line in draw.labels(3, 21)
    ]
    np.testing.assert_array_equal(new, slow)
    assert column(table, "classes")[0] == sorted({value for line in slow for value in line} - {255})


def test_a_train_id_without_mask(devkit: Path) -> None:
    (devkit / "VOCdevkit/VOC2012/SegmentationClassAug" / f"{EXTRA[0]}.png").unlink()
    lost = next(item for item in Voc(devkit).open().splits["train"] if item.id == EXTRA[0])
    with pytest.raises(BadItem, match=r"no mask SegmentationClassAug/2008_000001\.png"):
        lost.read()
    assert masks_of(Voc(devkit, unlabelled_without_mask=True), "train")[EXTRA[0]] is None


def test_an_id_in_both_lists_is_an_error(devkit: Path, draw: Any) -> None:
    lists = devkit / "VOCdevkit/VOC2012/ImageSets/Segmentation"
    draw.save(lists / "val.txt", f"{TRAIN[1]}\n".encode())
    with pytest.raises(DataError, match=r"1 ids are both in train_aug.txt and in val.txt, the first is 2007_000039"):
        Voc(devkit).open()


def test_mistakes_say_what_was_found(devkit: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no class 'hose'\. Did you mean 'horse'"):
        Voc(devkit, classes="background,hose").open()
    with pytest.raises(DataError, match=r"not a folder. .* holds: raw"):
        Voc(tmp_path / "nowhere").open()
    with pytest.raises(DataError, match=r"no VOC 2012 in .*It holds: JPEGImages, SegmentationClass, .*Unpack"):
        (devkit / "VOCdevkit/VOC2012/ImageSets").rename(tmp_path / "moved")
        Voc(devkit / "VOCdevkit/VOC2012").open()


@pytest.mark.real
def test_the_true_subset(real_voc: Path) -> None:
    manifest = load_manifest(real_voc)
    assert {name: split.rows for name, split in manifest.splits.items()} == {"train": 597, "val": 445}
    assert manifest.quarantined == 0
    images = [0] * 21
    for shard in manifest.splits["train"].shards:
        for present in column(open_shard(real_voc / shard.file), "classes"):
            for index in present:
                images[index] += 1
    wanted = {"cat": 163, "cow": 95, "dog": 155, "horse": 100, "sheep": 95, "person": 107, "aeroplane": 0, "car": 13}
    assert {name: images[CLASSES.index(name)] for name in wanted} == wanted  # as its README says


@pytest.mark.real
def test_the_official_lists_of_the_true_subset(real_data: Path) -> None:
    raw = Voc(real_data / "voc_subset", aug=False).open()
    assert {split: len(items) for split, items in raw.splits.items()} == {"train": 437, "val": 445}
