"""What can be labelled: the train images whose mask holds a class, their classes and their pixels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_prep.console import Say
from data_prep.pictures import read_labels
from data_prep.schema import DataError, Manifest
from data_prep.shards import column, open_shard, picture_bytes

Present = Mapping[str, Sequence[int]]  # id → classes that the image's mask holds
Pixels = npt.NDArray[np.int64]  # per class

TOLD = 1000  # masks between two lines of progress


def usable_masks(data: Path, manifest: Manifest) -> tuple[dict[str, tuple[int, ...]], list[str]]:
    """Train ids whose mask holds a class at all → those classes; and all train ids, in the shards' order."""
    if "train" not in manifest.splits:
        raise DataError(f"{data} has no split 'train': labelled images cannot be chosen. Prepare it with one.")
    present: dict[str, tuple[int, ...]] = {}
    rows: list[str] = []
    for shard in manifest.splits["train"].shards:
        table = open_shard(data / shard.file)
        for row, classes in zip(column(table, "id"), column(table, "classes"), strict=True):
            rows.append(row)
            if classes:
                present[row] = tuple(classes)
    if not present:
        raise DataError(f"no image of train in {data} has a mask with a class in it: nothing can be labelled.")
    return present, rows


def count_pixels(data: Path, manifest: Manifest, ids: Collection[str], say: Say) -> dict[str, Pixels]:
    """Pixels per class of these train images, (K,) int64 each. Every mask is read once, one at a time."""
    wanted, classes = set(ids), len(manifest.classes)
    counts: dict[str, Pixels] = {}
    for shard in manifest.splits["train"].shards:
        table = open_shard(data / shard.file)
        for row, name in enumerate(column(table, "id")):
            mask = picture_bytes(table, "mask", row) if name in wanted else None
            if mask is None:
                continue
            counts[name] = np.bincount(read_labels(mask, name).ravel(), minlength=256)[:classes]
            if len(counts) % TOLD == 0:
                say(f"pixels of {len(counts)} of {len(wanted)} masks counted")
    return counts


def images_per_class(ids: Iterable[str], present: Present, classes: int) -> tuple[int, ...]:
    """How many of the ids hold each class."""
    counts = [0] * classes
    for name in ids:
        for index in present[name]:
            counts[index] += 1
    return tuple(counts)
