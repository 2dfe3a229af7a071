"""The pictures of a split as numbers: a digest of the bytes and a hash of the looks."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.console import Say
from data_prep.errors import BadItem
from data_prep.leaks.likeness import Hashes, hash_picture
from data_prep.schema import DataError, Manifest
from data_prep.shards import column, open_shard, picture_bytes

THREADS = 4


@dataclass(frozen=True)
class Hashed:
    """The pictures of one split, in the shards' order."""

    ids: tuple[str, ...]
    digests: tuple[str, ...]  # sha256 of the encoded bytes
    hashes: Hashes


def hash_split(data: Path, manifest: Manifest, split: str, say: Say) -> Hashed:
    """Hash every picture of a split, on a few threads. Raises DataError for one that cannot be read."""
    ids: list[str] = []
    results: list[tuple[str, int]] = []
    for shard in manifest.splits[split].shards:
        table = open_shard(data / shard.file)
        names = column(table, "id")
        sides = [min(size) for size in zip(column(table, "height"), column(table, "width"), strict=True)]

        def hashed(row: int, table: Any = table, names: list[str] = names, sides: list[int] = sides) -> tuple[str, int]:
            image = picture_bytes(table, "image", row) or b""
            return hashlib.sha256(image).hexdigest(), hash_picture(image, sides[row], names[row])

        try:
            with ThreadPoolExecutor(THREADS) as pool:
                results += pool.map(hashed, range(len(names)))
        except BadItem as bad:
            raise DataError(f"{shard.file}: {bad}. `verify` names every bad row; prepare the data set again.") from None
        ids += names
        say(f"{split}: {len(ids)} of {manifest.splits[split].rows} pictures hashed")
    return Hashed(
        tuple(ids), tuple(digest for digest, _ in results), np.array([bits for _, bits in results], np.uint64)
    )
