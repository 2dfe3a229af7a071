"""Data sets of the `datasets` library: saved ones, imagefolders, parquet files, and the hub's way without a hub."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import Dataset, DatasetDict, Features, Image, SplitDict, SplitInfo, Value

from data_prep.errors import UsageError
from data_prep.options import WriteOptions
from data_prep.pictures import read_labels
from data_prep.prepare import Prepared, prepare
from data_prep.schema import DataError, Manifest
from data_prep.shards import ShardWriter, column, open_shard, picture_bytes
from data_prep.sources import hf
from data_prep.sources.hf import HuggingFace

Pairs = list[tuple[bytes, bytes | None]]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def pairs(draw: Any) -> Pairs:
    """Nine labelled rows and one without a label."""
    labelled = [(draw.encoded(draw.picture(n), "JPEG"), draw.encoded(draw.labels(n, 3), "PNG")) for n in range(9)]
    return [*labelled, (draw.encoded(draw.picture(9), "PNG"), None)]


def table(pairs: Pairs, label: str = "label") -> Dataset:
    kinds = Features({"image": Image(), label: Image(), "note": Value("string")})
    cells = {
        "image": [{"bytes": image, "path": None} for image, _ in pairs],
        label: [None if mask is None else {"bytes": mask, "path": None} for _, mask in pairs],
        "note": ["x"] * len(pairs),
    }
    return Dataset.from_dict(cells, features=kinds)


def run(raw: Path | str, out: Path, **options: Any) -> Prepared:
    said: list[str] = []
    return prepare(HuggingFace(str(raw), **{"classes": "a,b,c", **options}).open(), WriteOptions(out), said.append)


def rows(out: Path, manifest: Manifest, split: str) -> dict[str, tuple[bytes | None, bytes | None]]:
    found = {}
    for shard in manifest.splits[split].shards:
        stored = open_shard(out / shard.file)
        for row, name in enumerate(column(stored, "id")):
            found[name] = (picture_bytes(stored, "image", row), picture_bytes(stored, "mask", row))
    return found


def same(stored: tuple[bytes | None, bytes | None], pair: tuple[bytes, bytes | None]) -> bool:
    image, mask = stored
    if mask is None or pair[1] is None:
        return image == pair[0] and mask is pair[1]
    return image == pair[0] and np.array_equal(read_labels(mask, "m"), read_labels(pair[1], "m"))


def test_a_saved_dict_keeps_its_rows_and_bytes(pairs: Pairs, tmp_path: Path) -> None:
    DatasetDict({"train": table(pairs), "validation": table(pairs[:4])}).save_to_disk(tmp_path / "raw")
    manifest = run(tmp_path / "raw", tmp_path / "out").manifest
    assert {name: (split.rows, split.with_mask) for name, split in manifest.splits.items()} == {
        "train": (10, 9),
        "val": (4, 4),
    }
    train = rows(tmp_path / "out", manifest, "train")
    assert list(train) == [f"{n:08d}" for n in range(10)]
    assert all(same(stored, pair) for stored, pair in zip(train.values(), pairs, strict=True))
    assert run(tmp_path / "raw", tmp_path / "out").up_to_date


def test_saved_and_parquet_give_the_same_bytes(pairs: Pairs, tmp_path: Path) -> None:
    table(pairs).save_to_disk(tmp_path / "saved")
    (tmp_path / "files").mkdir()
    table(pairs).to_parquet(tmp_path / "files" / "train.parquet")
    first = run(tmp_path / "saved", tmp_path / "one").manifest
    second = run(tmp_path / "files", tmp_path / "two").manifest
    assert first == second and first.splits["train"].rows == 8 and first.splits["val"].rows == 2  # 0.2 of the rows
    train, val = (rows(tmp_path / "two", second, split) for split in ("train", "val"))
    assert sorted([*train, *val]) == [f"{n:08d}" for n in range(10)]
    assert all(same(stored, pairs[int(name)]) for name, stored in (train | val).items())
    other = [run(tmp_path / "saved", tmp_path / f"s{seed}", seed=seed).manifest for seed in (1, 2)]
    assert len({first.content_hash, *(manifest.content_hash for manifest in other)}) == 3


def test_an_imagefolder_with_a_column_of_masks(pairs: Pairs, tmp_path: Path, draw: Any) -> None:
    lines = []
    for number, (image, mask) in enumerate(pairs[:6]):
        draw.save(tmp_path / "raw" / "train" / f"{number}.jpg", image)
        draw.save(tmp_path / "raw" / "train" / f"{number}_mask.png", mask)
        lines.append(json.dumps({"file_name": f"{number}.jpg", "mask_file_name": f"{number}_mask.png"}))
    (tmp_path / "raw" / "train" / "metadata.jsonl").write_text("\n".join(lines))
    manifest = run(tmp_path / "raw", tmp_path / "out", label_column="mask", val_fraction=0).manifest
    train = rows(tmp_path / "out", manifest, "train")
    assert len(train) == 6 and all(same(train[f"{n:08d}"], pairs[n]) for n in range(6))


class Hub:
    """Serves parquet files for every name; remembers what it was asked."""

    def __init__(self, folder: Path, announced: int | None = None) -> None:
        self.folder, self.announced, self.asked, self.real = folder, announced, [], datasets.load_dataset

    def load(self, name: str, config: str | None, **options: Any) -> Any:
        self.asked.append((name, config, options))
        streams = self.real(str(self.folder), streaming=options["streaming"])
        if self.announced is not None:
            streams["train"].info.splits = SplitDict(train=SplitInfo("train", num_examples=self.announced))
        return streams


@pytest.fixture
def hub(pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    (tmp_path / "files").mkdir()
    table(pairs).to_parquet(tmp_path / "files" / "train.parquet")
    served = Hub(tmp_path / "files")
    monkeypatch.setattr(datasets, "load_dataset", served.load)
    monkeypatch.setattr(hf, "hub_commit", lambda name, revision: f"{name} at {revision}")
    return served


def test_a_hub_name_is_streamed_at_the_commit_it_stands_for(hub: Hub, tmp_path: Path) -> None:
    manifest = run("owner/street-scenes", tmp_path / "out", revision="v1", config="small").manifest
    commit = "owner/street-scenes at v1"
    assert hub.asked == [("owner/street-scenes", "small", {"revision": commit, "streaming": True})]
    assert (manifest.options["hub"], manifest.options["commit"]) == ("owner/street-scenes", commit)
    assert sum(split.rows for split in manifest.splits.values()) == 10
    moved = run("owner/street-scenes", tmp_path / "moved", revision="v2", config="small").manifest
    assert moved.content_hash != manifest.content_hash


def test_the_hubs_card_is_believed_until_the_rows_end(hub: Hub, tmp_path: Path) -> None:
    hub.announced = 7
    assert run("owner/name", tmp_path / "out", val_fraction=0).manifest.splits["train"].rows == 7
    hub.announced = 12
    with pytest.raises(DataError, match=r"owner/name, train ends before row 10 .*, 12 rows were announced"):
        run("owner/name", tmp_path / "more", val_fraction=0)


def test_an_unreachable_hub_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(name: str, revision: str) -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr(hf, "hub_commit", unreachable)
    with pytest.raises(DataError, match=r"no folder here, and the hub's data set cannot be opened .*no route"):
        run("owner/name", tmp_path / "out")


def test_an_interrupted_run_goes_on(pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(pairs).save_to_disk(tmp_path / "raw")
    whole = run(tmp_path / "raw", tmp_path / "whole").manifest
    real = ShardWriter.finish

    def failing(self: ShardWriter) -> Any:
        if self.name == "train-00002.arrow":
            raise KeyboardInterrupt
        return real(self)

    with monkeypatch.context() as patch:
        patch.setattr(ShardWriter, "finish", failing)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "raw", tmp_path / "out")
    assert run(tmp_path / "raw", tmp_path / "out").manifest == whole


def test_bad_rows_are_quarantined(pairs: Pairs, tmp_path: Path, draw: Any) -> None:
    pairs[1] = (pairs[1][0], draw.encoded(draw.labels(0, 3)[:-1], "PNG"))
    pairs[2] = (pairs[2][0][:-40], pairs[2][1])
    pairs[3] = (pairs[3][0], draw.encoded(np.full((24, 32), 3, np.uint8), "PNG"))
    table(pairs).save_to_disk(tmp_path / "raw")
    manifest = run(tmp_path / "raw", tmp_path / "out", val_fraction=0).manifest
    with (tmp_path / "out" / "quarantine.csv").open() as stream:
        entries = [(row["id"], row["file"], row["reason"]) for row in csv.DictReader(stream)]
    wanted = [
        ("00000001", "train row 1 (label)", "size mismatch: mask 23x32, image 24x32"),
        ("00000002", "train row 2 (image)", "truncated"),
        ("00000003", "train row 3 (label)", "unknown label value 3 in 768 pixels"),
    ]
    assert manifest.quarantined == len(entries) == 3
    for (name, file, reason), (its_name, its_file, begins) in zip(entries, wanted, strict=True):
        assert (name, file) == (its_name, its_file) and reason.startswith(begins)


def test_what_cannot_be_used(pairs: Pairs, tmp_path: Path) -> None:
    table(pairs, label="annotation").save_to_disk(tmp_path / "raw")
    columns = r"its columns are: image \(Image\), annotation \(Image\), note \(Value\)"
    with pytest.raises(
        DataError, match=rf"no column 'label' of type Image; {columns}\. Name another one with --label-col"
    ):
        run(tmp_path / "raw", tmp_path / "out")
    with pytest.raises(DataError, match="no column 'note' of type Image"):
        run(tmp_path / "raw", tmp_path / "out", label_column="note")
    with pytest.raises(DataError, match=r"--val-fraction 0.01 of 10 rows makes 0 val rows"):
        run(tmp_path / "raw", tmp_path / "out", label_column="annotation", val_fraction=0.01)
    DatasetDict({"test": table(pairs)}).save_to_disk(tmp_path / "tested")
    with pytest.raises(DataError, match="has no split 'train', it has: test"):
        run(tmp_path / "tested", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: the folder cannot be opened \(.*save_to_disk wrote"):
        run(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(DataError, match="is neither a folder nor a name on the hub"):
        run(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(UsageError, match="class names are missing"):
        run(tmp_path / "raw", tmp_path / "out", classes="")
    with pytest.raises(UsageError, match="--val-fraction 1"):
        run(tmp_path / "raw", tmp_path / "out", val_fraction=1)
