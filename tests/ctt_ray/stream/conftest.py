"""A prepared data set small enough to check pixel by pixel."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.schema import VOID, LabelledSplit, Manifest, Split
from data_prep.shards import Row, shard_name, write_shard

Picture = tuple[np.ndarray, np.ndarray]
CLASSES = 4
COLOURS = np.array([(250, 10, 30), (20, 200, 60), (90, 40, 240), (5, 130, 140)], np.uint8)
SHARDS = (4, 1, 7, 18, 8)
VAL = 1000  # pictures of val are numbered from here


def make_picture(number: int) -> Picture:
    """An image painted from a mask of flat 12-pixel blocks; neighbouring numbers differ in size."""
    rng = np.random.default_rng(number)
    mask = np.kron(rng.integers(0, CLASSES, (3, 4)), np.ones((12, 12))).astype(np.uint8)[: 30 + number % 5]
    image = COLOURS[mask]
    if number % 7 == 0:
        mask = mask.copy()
        mask[:4] = VOID
    return image, mask


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels[:, :, ::-1] if pixels.ndim == 3 else pixels)[1].tobytes()


def make_row(name: str, number: int, *, masked: bool) -> Row:
    image, mask = make_picture(number)
    classes = tuple(np.unique(mask[mask != VOID]).tolist())
    return Row(name, png(image), png(mask) if masked else None, *mask.shape, classes if masked else None)


def write_data(folder: Path, shards: dict[str, list[list[Row]]]) -> Path:
    """A prepared data set of these rows: split → shards → rows."""
    splits = {}
    for split, parts in shards.items():
        records = tuple(write_shard(folder, shard_name(split, part), rows) for part, rows in enumerate(parts))
        masks = [row.mask for part in parts for row in part if row.mask]
        pixels = np.zeros(256, np.int64)
        for mask in masks:
            decoded = cv2.imdecode(np.frombuffer(mask, np.uint8), cv2.IMREAD_UNCHANGED)
            if decoded is not None:
                pixels += np.bincount(decoded.ravel(), minlength=256)
        splits[split] = Split(records, tuple(pixels[:CLASSES].tolist()), int(pixels[VOID]), len(masks))
    names = tuple(f"class{k}" for k in range(CLASSES))
    palette = tuple((int(r), int(g), int(b)) for r, g, b in COLOURS)
    (folder / "manifest.json").write_text(Manifest("test", names, palette, splits, "none", "abc").to_json())
    return folder


def write_split(folder: Path, name: str, ids: list[str], data_hash: str = "abc") -> None:
    split = LabelledSplit(name, tuple(ids), "by hand", None, (0,) * CLASSES, data_hash, "def")
    (folder / "splits").mkdir(exist_ok=True)
    (folder / "splits" / f"{name}.json").write_text(json.dumps(asdict(split)))


def train_rows(masked: Callable[[int], bool]) -> list[list[Row]]:
    """train0, train1, ... in shards of SHARDS rows."""
    rows = [make_row(f"train{number}", number, masked=masked(number)) for number in range(sum(SHARDS))]
    ends = np.cumsum(SHARDS)
    return [rows[end - size : end] for end, size in zip(ends, SHARDS, strict=True)]


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """38 rows of train (3, 9, 15, ... without mask) in 5 shards; 6 of val (2 without mask) in 2; split `few`."""
    val = [make_row(f"val{number}", VAL + number, masked=number != 2) for number in range(6)]
    folder = write_data(
        tmp_path_factory.mktemp("data"), {"train": train_rows(lambda n: n % 6 != 3), "val": [val[:2], val[2:]]}
    )
    write_split(folder, "few", ["train0", "train5", "train6", "train14", "train31"])
    return folder


@pytest.fixture(scope="session")
def fully_labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same train rows, all of them with a mask."""
    return write_data(tmp_path_factory.mktemp("full"), {"train": train_rows(lambda n: True)})


@pytest.fixture(scope="session")
def picture() -> Callable[[int], Picture]:
    return make_picture


@pytest.fixture(scope="session")
def split_writer() -> Callable[..., None]:
    return write_split


@pytest.fixture(scope="session")
def data_writer() -> Callable[..., Path]:
    return write_data


@pytest.fixture
def small_data(tmp_path: Path) -> Callable[[list[Row]], Path]:
    """Writes a data set of one train shard."""
    return lambda rows: write_data(tmp_path, {"train": [rows]})


@pytest.fixture(scope="session")
def row() -> Callable[..., Row]:
    return make_row
