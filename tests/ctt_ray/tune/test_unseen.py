"""Images for a confirmation: the default, and that anything the search has read is refused by its content."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tiny_scenes import make_scenes

from ctt_ray.config import ConfigError
from ctt_ray.stream import EvalSet
from ctt_ray.tune import unseen
from data_prep.contents import images, scored_images
from data_prep.schema import DataError, load_manifest
from data_prep.shards import Row, column, open_shard, picture_bytes, write_shard


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_scenes(tmp_path_factory.mktemp("scenes"), train=8, val=5)


@pytest.fixture
def data(scenes: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(scenes, tmp_path / "data"))


def rows(data: Path, split: str) -> list[Row]:
    found = []
    for shard in load_manifest(data).splits[split].shards:
        table = open_shard(data / shard.file)
        for at, id in enumerate(column(table, "id")):
            image, mask = (picture_bytes(table, name, at) for name in ("image", "mask"))
            found.append(Row(id, image or b"", mask, 32, 32, tuple(column(table, "classes")[at])))
    return found


def add_test(data: Path, given: list[Row]) -> None:
    manifest = load_manifest(data)
    shard = write_shard(data, "test-00000.arrow", given)
    split = replace(manifest.splits["val"], shards=(shard,), with_mask=sum(row.mask is not None for row in given))
    tree = asdict(manifest)
    tree["splits"]["test"] = asdict(split)
    (data / "manifest.json").write_text(json.dumps(tree))


def renamed(given: list[Row], prefix: str = "other") -> list[Row]:
    return [replace(row, id=f"{prefix}{row.id}") for row in given]


@pytest.mark.parametrize("name", ["val", "val:0/2", "val:1/2", "labelled:1/2", "train:0/3"])
def test_the_images_counted_are_those_that_evaluation_reads(data: Path, name: str) -> None:
    assert sorted(scored_images(data, name, "few")) == sorted(id for id, _, _ in EvalSet(data, name, labelled="few"))
    assert sorted(scored_images(data, name, "all")) == sorted(id for id, _, _ in EvalSet(data, name, labelled="all"))


def test_hashes_are_of_the_content_not_of_the_id(data: Path) -> None:
    add_test(data, renamed(rows(data, "val")))
    one, other = images(data, "val"), images(data, "test")
    assert len(set(one.values())) == 5 and set(one.values()) == set(other.values()) and not set(one) & set(other)


def test_halves_are_confirmed_on_each_other(data: Path) -> None:
    evidence = unseen.check(data, "few", search="val:0/2", confirm="val:1/2")
    assert (evidence.search.split, evidence.search.images) == ("val:0/2", 3)
    assert (evidence.confirm.split, evidence.confirm.images) == ("val:1/2", 2)
    assert evidence.search.digest != evidence.confirm.digest


@pytest.mark.parametrize(
    ("search", "confirm", "message"),
    [
        ("val", "val:1/2", "2 of its 2 images .* scored in the search"),
        ("val:0/2", "val", "3 of its 5 images .* scored in the search"),
        ("labelled:0/2", "labelled:1/2", "2 of its 2 images .* among the training images"),
        ("val:0/2", "train", "8 of its 8 images .* among the training images"),
    ],
)
def test_images_that_the_search_has_read_are_refused(data: Path, search: str, confirm: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        unseen.check(data, "few", search=search, confirm=confirm)
    assert "eval_split=val:0/2" in str(caught.value)


def test_the_same_picture_under_another_name_is_refused(data: Path) -> None:
    add_test(data, renamed(rows(data, "val")[:1]))
    with pytest.raises(ConfigError, match=r"1 of its 1 images .*other"):
        unseen.check(data, "few", search="val", confirm="test")


def test_what_cannot_be_read_is_a_data_error(data: Path) -> None:
    with pytest.raises(DataError, match="no split 'tset'"):
        unseen.check(data, "few", search="val:0/2", confirm="tset")


def test_default_images(data: Path) -> None:
    manifest = load_manifest(data)
    assert unseen.default("val:0/2", manifest) == "val:1/2"
    assert unseen.default("val:2/3", manifest) == "val:0/3"
    assert unseen.default("labelled:0/4", manifest) == "val"
    with pytest.raises(ConfigError, match=r"no other images with masks .*eval_split=val:0/2"):
        unseen.default("val", manifest)
    add_test(data, renamed(rows(data, "val")))
    assert unseen.default("val", load_manifest(data)) == "test"
    assert unseen.default("labelled:0/4", load_manifest(data)) == "test"
    assert unseen.default("test:0/2", load_manifest(data)) == "test:1/2"
    add_test(data, [replace(row, mask=None, classes=None) for row in renamed(rows(data, "val"))])
    assert unseen.default("val:0/2", load_manifest(data)) == "val:1/2"  # a test split without masks scores nothing
