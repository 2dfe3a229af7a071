"""Labelled splits: amounts, coverage, determinism, published lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep.errors import UsageError
from data_prep.labelled import pool
from data_prep.labelled.balance import share_distance
from data_prep.labelled.book import split_hash
from data_prep.labelled.pool import usable_masks
from data_prep.pictures import read_labels
from data_prep.schema import DataError, load_labelled_split, load_manifest
from data_prep.shards import column, open_shard, picture_bytes
from data_prep.splits import How, make_nested, make_split


def counts_of(data: Path) -> dict[str, np.ndarray]:
    """Pixels of each of the ten classes in every mask of train, one comparison a class."""
    found = {}
    for shard in load_manifest(data).splits["train"].shards:
        table = open_shard(data / shard.file)
        for row, name in enumerate(column(table, "id")):
            mask = read_labels(picture_bytes(table, "mask", row) or b"", name)
            found[name] = np.array([(mask == index).sum() for index in range(10)])
    return found


def test_pixels_are_counted_and_progress_is_told(scenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "TOLD", 2)
    said: list[str] = []
    wanted = ["train_000003", "train_000009", "train_000020"]
    counts = pool.count_pixels(scenes, load_manifest(scenes), wanted, said.append)
    assert sorted(counts) == wanted and said == ["pixels of 2 of 3 masks counted"]
    for name, slow in counts_of(scenes).items():
        assert name not in counts or counts[name].tolist() == slow.tolist()


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
    pixels = sum(counts_of(scenes)[name] for name in read.ids)
    shares = pixels[0] / pixels.sum(), manifest.splits["train"].pixels[0] / sum(manifest.splits["train"].pixels)
    assert table[2].split() == ["ground", str(read.images_per_class[0]), "24", *(f"{share:.2%}" for share in shares)]
    assert made.distance == pytest.approx(share_distance(pixels.tolist(), manifest.splits["train"].pixels))
    assert table[-1].startswith(f"{made.distance:.1%} of the labelled pixels")
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
    plain = [How().name(*a) for a in (("1/8", 0), ("40", 2), ("0.125", 1))]
    assert plain == ["1-8_s0", "n40_s2", "0.125_s1"]
    assert How("pixels", "camvid,run:8", "1-4_s0").name("1/8", 3) == "1-8_pixels_camvid-run8_s3_in_1-4_s0"
    assert How(group="prefix:a,b_").name("1/8", 0) == "1-8_prefix_s0"


def test_nested_splits_are_the_plain_ones(scenes: Path) -> None:
    plain = {amount: make_split(scenes, amount, seed=1).path.read_bytes() for amount in ("1/8", "1/4", "1/2")}
    nested = make_nested(scenes, ["1/2", "1/8", "1/4"], seed=1)
    assert [made.split.name for made in nested] == ["1-8_s1", "1-4_s1", "1-2_s1"]
    assert {a: (scenes / "splits" / f"{a.replace('/', '-')}_s1.json").read_bytes() for a in plain} == plain


@pytest.mark.parametrize("how", [How(), How("pixels"), How("equal"), How(group="run:3"), How("pixels", "run:2")])
def test_each_split_lies_inside_the_next(scenes: Path, how: How) -> None:
    for seed in range(3):
        small, middle, large = (
            set(made.split.ids) for made in make_nested(scenes, ["3", "1/4", "13"], seed=seed, how=how)
        )
        assert small < middle < large and len(small) <= 3 and len(middle) <= 6 and len(large) <= 13


def test_nested_groups_of_uneven_sizes(scenes: Path) -> None:
    """Groups of 7, 3, 10 and 4: alone, the larger amounts would often do without the group of 3."""
    how = How(group="prefix:train_0000(?:0[0-6]|0|1|2)")
    for seed in range(4):
        made = make_nested(scenes, ["3", "10", "14"], seed=seed, how=how)
        small, middle, large = (set(each.split.ids) for each in made)
        assert small < middle <= large and [each.split.name[-7:] == "_nested" for each in made] == [False, True, True]
        assert made[1].split.rule.endswith(f"grown from {made[0].split.name}")


def test_inside_another_split(scenes: Path) -> None:
    outer = make_split(scenes, "1/2", seed=5)
    inner = make_split(scenes, "1/8", seed=1, how=How("pixels", inside="1-2_s5"))
    assert inner.split.name == "1-8_pixels_s1_in_1-2_s5" and set(inner.split.ids) < set(outer.split.ids)
    assert len(inner.split.ids) == 3 and inner.split.rule.endswith("inside 1-2_s5")
    with pytest.raises(UsageError, match="13 images, but '1-2_s5' has 12"):
        make_split(scenes, "13", how=How(inside="1-2_s5"))
    with pytest.raises(DataError, match="there are: 1-2_s5, 1-8_pixels_s1_in_1-2_s5"):
        make_split(scenes, "1", how=How(inside="nothing"))


def test_groups_stay_whole_and_the_count_is_said(scenes: Path) -> None:
    made = make_split(scenes, "1/2", how=How(group="run:5"))  # 24 images: four runs of five, one of four
    numbers = [int(name[-6:]) for name in made.split.ids]
    assert len(numbers) in (9, 10)
    assert {n // 5 for n in numbers} == {n // 5 for n in numbers if n % 5 == 0} and made.split.name == "1-2_run5_s0"
    assert made.notes[0].startswith(f"2 of 5 whole groups, {len(numbers)} images, where 12 were asked for: no other")
    tiny = make_split(scenes, "2", how=How(group="run:5"))
    assert tiny.notes[0] == "1 of 5 whole groups, 4 images, where 2 were asked for: the smallest group has 4."


def test_a_split_of_the_same_name_is_not_replaced_in_silence(scenes: Path) -> None:
    make_split(scenes, "4", name="mine")
    assert not any("replaced" in note for note in make_split(scenes, "4", name="mine").notes)
    assert "replaced 'mine', which named other images (4 of 24" in make_split(scenes, "5", name="mine").notes[0]


def test_a_list_in_a_folder(scenes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "1_8"
    folder.mkdir()
    (folder / "labeled.txt").write_text("train_000003\ntrain_000001\n")
    made = make_split(scenes, "", ids=folder)
    assert (made.split.name, made.split.ids) == ("n2_1_8", ("train_000001", "train_000003"))
    with pytest.raises(UsageError, match="--ids takes the images of a list"):
        make_split(scenes, "", ids=folder, how=How("pixels"))


@pytest.mark.real
def test_published_voc_lists_on_the_true_subset(real_data: Path, real_voc: Path) -> None:
    _, rows = usable_masks(real_voc, load_manifest(real_voc))
    for name, count in {"classic/92": 31, "classic/183": 65, "blender/662": 198, "blender/1323": 401}.items():
        file = real_data / "splits" / "voc" / name / "labeled.txt"
        made = make_split(real_voc, "", ids=file)
        assert set(made.split.ids) == set(rows) & set(file.read_text().split())
        assert len(made.split.ids) == count  # as its README says


@pytest.mark.real
def test_balance_on_true_masks(real_camvid: Path) -> None:
    """Closer to train's shares than the seeded draw, for every seed; whole drives and stretches of them."""
    for seed in range(3):
        drawn, balanced = (make_split(real_camvid, "1/8", seed=seed, how=how) for how in (How(), How("pixels")))
        assert balanced.distance < 0.012 < 0.02 < drawn.distance
    drives = make_split(real_camvid, "1/3", how=How(group="camvid"))
    assert {name[:6] for name in drives.split.ids} in ({"0001TP"}, {"0006R0"})
    runs = make_split(real_camvid, "46", how=How(group="camvid,run:46"))
    assert len({name[:6] for name in runs.split.ids}) == 1
