"""A prepared data set small enough to check pixel by pixel, written here so that the reader is not tested by its own room."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest

from data_prep.schema import VOID, LabelledSplit, Manifest, Shard, Split

CLASSES = 4
COLOURS = np.array([(250, 10, 30), (20, 200, 60), (90, 40, 240), (5, 130, 140)], np.uint8)
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SCHEMA = pa.schema(
    [("id", pa.string()), ("image", PICTURE), ("mask", PICTURE), ("height", pa.int32()), ("width", pa.int32())]
    + [("classes", pa.list_(pa.uint8()))]
)


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels[:, :, ::-1] if pixels.ndim == 3 else pixels)[1].tobytes()


def picture(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A mask of flat blocks and an image painted from it; every number has a size of its own."""
    rng = np.random.default_rng(number)
    mask = np.kron(rng.integers(0, CLASSES, (3, 4)), np.ones((12, 12))).astype(np.uint8)[: 30 + number % 5]
    return COLOURS[mask], mask


def row(number: int, *, masked: bool, name: str) -> dict[str, object]:
    image, mask = picture(number)
    return {
        "id": name,
        "image": {"bytes": png(image), "path": None},
        "mask": {"bytes": png(mask), "path": None} if masked else None,
        "height": mask.shape[0],
        "width": mask.shape[1],
        "classes": np.unique(mask).tolist() if masked else None,
    }


def write_shard(folder: Path, name: str, rows: list[dict[str, object]]) -> Shard:
    with pa.OSFile(str(folder / name), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
        for start in range(0, len(rows), 3):  # several record batches a shard
            writer.write_batch(pa.RecordBatch.from_pylist(rows[start : start + 3], schema=SCHEMA))
    data = (folder / name).read_bytes()
    return Shard(name, len(rows), len(data), hashlib.sha256(data).hexdigest())


def write_split(folder: Path, name: str, ids: list[str], data_hash: str = "abc") -> None:
    split = LabelledSplit(name, tuple(ids), "by hand", None, (0,) * CLASSES, data_hash, "def")
    (folder / "splits").mkdir(exist_ok=True)
    (folder / "splits" / f"{name}.json").write_text(json.dumps(asdict(split)))


def write_dataset(folder: Path, shards: dict[str, list[list[bool]]]) -> Path:
    """shards: split → a list of shards → for each row whether it has a mask. Ids are train0, train1, ..., val0, ..."""
    splits = {}
    for split, parts in shards.items():
        number, records, pixels, masked_rows = 0, [], np.zeros(256, np.int64), 0
        for part, flags in enumerate(parts):
            rows = []
            for masked in flags:
                seed = number + 1000 * (split != "train")
                rows.append(row(seed, masked=masked, name=f"{split}{number}"))
                pixels += np.bincount(picture(seed)[1].ravel(), minlength=256) * masked
                masked_rows += masked
                number += 1
            records.append(write_shard(folder, f"{split}-{part:05d}.arrow", rows))
        splits[split] = Split(tuple(records), tuple(pixels[:CLASSES].tolist()), int(pixels[VOID]), masked_rows)
    names = tuple(f"class{k}" for k in range(CLASSES))
    palette = tuple(tuple(colour) for colour in COLOURS.tolist())
    (folder / "manifest.json").write_text(Manifest("test", names, palette, splits, "none", "abc").to_json())
    return folder


@pytest.fixture(scope="session")
def make_dataset() -> Callable[[Path, dict[str, list[list[bool]]]], Path]:
    return write_dataset


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train: 5 shards of 4, 1, 7, 3, 8 rows, of which rows 3, 9, 15 and 21 have no mask; val: 6 rows; split `few`."""
    flags = [number % 6 != 3 for number in range(23)]
    parts, start = [], 0
    for rows in (4, 1, 7, 3, 8):
        parts.append(flags[start : start + rows])
        start += rows
    folder = write_dataset(tmp_path_factory.mktemp("data"), {"train": parts, "val": [[True, True, False], [True] * 3]})
    write_split(folder, "few", ["train0", "train5", "train6", "train12", "train20"])
    return folder
