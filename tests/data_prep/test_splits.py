"""Labelled splits: amounts, coverage, determinism, published lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.errors import UsageError
from data_prep.schema import DataError, load_labelled_split, load_manifest
from data_prep.splits import choose, default_name, make_split, parse_amount, split_hash, usable_masks


@pytest.mark.parametrize(
    ("text", "total", "count"),
    [
        ("1/8", 480, 60),
        ("1/8", 10582, 1323),
        ("0.125", 80, 10),
        ("1/16", 24, 2),
        ("40", 480, 40),
        ("1.0", 7, 7),
        ("1/1", 7, 7),
    ],
)
def test_amounts(text: str, total: int, count: int) -> None:
    assert parse_amount(text, total) == count


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "makes 0 labelled images"),
        ("1/100", "makes 0 labelled images"),
        ("-3", "makes -3 labelled"),
        ("21", "only 20 images"),
        ("3/2", "at most 1"),
        ("1/0", "give a fraction"),
        ("many", "give a fraction"),
    ],
)
def test_senseless_amounts(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"--labelled {text}.*{message}|{message}"):
        parse_amount(text, 20)


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_choice_covers_what_it_can(content_seed: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(content_seed)
    present = {f"i{n:02d}": tuple(np.flatnonzero(rng.uniform(size=6) < 0.25).tolist()) or (0,) for n in range(40)}
    chosen = choose(present, 6, count, seed)
    assert len(chosen) == len(set(chosen)) == count and chosen == sorted(chosen) and set(chosen) <= set(present)
    assert chosen == choose(dict(reversed(present.items())), 6, count, seed)  # the order of the shards plays no part
    held = {index for name in chosen for index in present[name]}
    every = {index for classes in present.values() for index in classes}
    if count >= len(every):
        assert held == every


def test_the_rarest_class_comes_first() -> None:
    present: dict[str, tuple[int, ...]] = {f"common{n:02d}": (0, 1) for n in range(50)}
    present["rare"] = (2,)
    for seed in range(5):
        assert "rare" in choose(present, 3, 1, seed)
    present["richer"] = (1, 2)
    for seed in range(5):
        assert choose(present, 3, 1, seed) == ["richer"]  # brings two missing classes instead of one


def test_a_split_file_and_its_table(scenes: Path) -> None:
    made = make_split(scenes, "1/4", seed=3)
    read = load_labelled_split(scenes, "1-4_s3")
    manifest = load_manifest(scenes)
    present, rows = usable_masks(scenes, manifest)
    assert read == made.split and len(read.ids) == 6 and read.data_hash == manifest.content_hash
    assert read.images_per_class == tuple(sum(k in present[name] for name in read.ids) for k in range(10))
    assert read.content_hash == split_hash(read.ids, manifest.content_hash)
    assert made.train_rows == len(rows) == 24
    table = made.table()
    assert table[0].endswith("6 labelled, 18 unlabelled")
    assert table[2].split() == ["ground", str(read.images_per_class[0]), "24"]
    json.dumps(made.to_dict())


def test_same_seed_same_ids_other_seed_others(scenes: Path) -> None:
    first = make_split(scenes, "8", name="a").split
    assert make_split(scenes, "8", name="b").split.ids == first.ids
    assert any(make_split(scenes, "8", seed=seed).split.ids != first.ids for seed in range(1, 4))
    assert load_labelled_split(scenes, "n8_s1").seed == 1


def test_uncovered_classes_are_said(scenes: Path) -> None:
    made = make_split(scenes, "1")
    assert any(note.startswith("not covered: ") for note in made.notes)
    assert any(line.endswith("not covered") for line in made.table())


def test_images_without_a_class_are_not_chosen(
    raw_folder: Path, prepare_folder: Any, tmp_path: Path, draw: Any
) -> None:
    draw.save(raw_folder / "masks" / "a.png", np.full((24, 32), 255, np.uint8))
    prepare_folder(raw_folder, val_fraction=0)
    made = make_split(tmp_path / "out", "1.0")
    assert made.split.ids == tuple("bcdefghij")  # neither the all-void a nor the unlabelled y and z


LISTS = {
    "plain ids": "train_000003\ntrain_000001\n\ntrain_000007\n",
    "image paths": "JPEGImages/train_000003.jpg\nJPEGImages/train_000001.jpg\n/x/train_000007.jpg\n",
    "image and mask": "a/train_000003.jpg b/train_000003.png\na/train_000001.jpg b/x.png\ntrain_000007.png y\n",
    "cityscapes names": "".join(f"leftImg8bit/train/u/train_00000{n}_leftImg8bit.png\n" for n in (3, 1, 7)),
}


@pytest.mark.parametrize("kind", LISTS)
def test_published_lists(scenes: Path, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "labeled.txt"
    file.write_text(LISTS[kind])
    made = make_split(scenes, "", ids=file)
    assert made.split.ids == ("train_000001", "train_000003", "train_000007")
    assert (made.split.name, made.split.seed) == ("n3_labeled", None)
    assert make_split(scenes, "2", ids=file, name="two").split.ids == ("train_000001", "train_000003")


def test_strangers_in_a_list_are_counted_and_named(scenes: Path, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("train_000003\n2007_000032\nval_000001\n")
    made = make_split(scenes, "", ids=file)
    assert made.split.ids == ("train_000003",)
    assert made.notes[0] == "2 of 3 listed ids are not in train: 2007_000032, val_000001"
    file.write_text("2007_000032\n")
    with pytest.raises(DataError, match=r"none of the 1 lines .*\['2007_000032'\].*train begins \['train_000000'"):
        make_split(scenes, "", ids=file)


def test_unlabelled_rows_in_a_list_stay_unlabelled(raw_folder: Path, prepare_folder: Any, tmp_path: Path) -> None:
    prepare_folder(raw_folder, val_fraction=0)
    file = tmp_path / "list.txt"
    file.write_text("a\ny\n")
    made = make_split(tmp_path / "out", "", ids=file)
    assert made.split.ids == ("a",)
    assert made.notes[0] == "1 listed ids have no mask with a class in it and stay unlabelled: y"


def test_mistakes(scenes: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--labelled 1/8, --labelled 40, or --ids FILE"):
        make_split(scenes, "")
    with pytest.raises(UsageError, match="cannot be a file name"):
        make_split(scenes, "1/4", name="../evil")
    with pytest.raises(DataError, match="not a prepared data set"):
        make_split(tmp_path / "nothing", "1/4")
    make_split(scenes, "1/4")
    with pytest.raises(DataError, match="there are: 1-4_s0"):
        load_labelled_split(scenes, "other")
    (scenes / "splits" / "torn.json").write_text("{")
    with pytest.raises(DataError, match="not a labelled split"):
        load_labelled_split(scenes, "torn")


def test_default_names() -> None:
    assert [default_name(*a) for a in (("1/8", 0), ("40", 2), ("0.125", 1))] == ["1-8_s0", "n40_s2", "0.125_s1"]


@pytest.mark.real
def test_published_voc_lists_on_the_true_subset(real_data: Path, real_voc: Path) -> None:
    _, rows = usable_masks(real_voc, load_manifest(real_voc))
    for name, count in {"classic/92": 31, "classic/183": 65, "blender/662": 198, "blender/1323": 401}.items():
        file = real_data / "splits" / "voc" / name / "labeled.txt"
        made = make_split(real_voc, "", ids=file)
        assert set(made.split.ids) == set(rows) & set(file.read_text().split())
        assert len(made.split.ids) == count  # as its README says
