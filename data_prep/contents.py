"""Which images a name stands for, by what is in them: the hash of the stored bytes of each, whatever its id."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Sequence
from pathlib import Path

from data_prep.parts import parse
from data_prep.schema import DataError, Shard, load_labelled_split, load_manifest
from data_prep.shards import column, open_shard, picture_bytes
from data_prep.store.shards import shards_of

TRAIN = "train"


def scored_images(data: str | Path, name: str, labelled: str) -> dict[str, str]:
    """id → sha256 of every image that is scored under this name (parts.py). labelled: the run's labelled split, or "all".

    Raises DataError where the name stands for no image."""
    split, ids = scored_ids(data, name, labelled)
    return images(data, split, ids)


def scored_ids(data: str | Path, name: str, labelled: str) -> tuple[str, set[str]]:
    """The split that holds the images of this name, and their ids: no picture is read."""
    part = parse(name)
    split = TRAIN if part.of_labelled else part.split
    if part.of_labelled and labelled != "all":
        ids = list(load_labelled_split(data, labelled).ids)
    else:
        tables = shards_of(data).light(_shards(data, split))
        ids = [
            id
            for table in tables
            for id, classes in zip(column(table, "id"), column(table, "classes"), strict=True)
            if classes is not None  # it has a mask
        ]
    return split, {ids[place] for place in part.places(ids)}


def images(data: str | Path, split: str, only: Container[str] | None = None) -> dict[str, str]:
    """id → sha256 of the images of a split, or of some of them."""
    found = {}
    files = shards_of(data)
    for shard in _shards(data, split):
        held = files.at_hand(shard)
        table = open_shard(held.path)
        for row, id in enumerate(column(table, "id")):
            if only is None or id in only:
                found[id] = hashlib.sha256(picture_bytes(table, "image", row) or b"").hexdigest()
        held.close()
    return found


def _shards(data: str | Path, split: str) -> Sequence[Shard]:
    splits = load_manifest(data).splits
    if split not in splits:
        raise DataError(f"no split '{split}' in {data}; there are: {', '.join(sorted(splits))}. Name one of them.")
    return splits[split].shards
