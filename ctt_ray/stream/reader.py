"""Random access to the rows of a split, by memory map."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ctt_ray.stream.decode import Pixels, decode_image, decode_mask
from data_prep.schema import DataError, load_manifest

VERIFY = "Run `python -m data_prep verify {folder}` to find every bad file, then prepare the data set again."


class ShardReader:
    """The rows of one split of a prepared data set, numbered over its shards in the manifest's order.

    Shards are opened when first read. Pickles as folder and split: a loader process opens them for itself."""

    def __init__(self, folder: str | Path, split: str) -> None:
        """Raises DataError where the manifest has no such split, or a shard is missing or not of its recorded size."""
        self.folder = Path(folder)
        self.split = split
        self.manifest = load_manifest(folder)
        if split not in self.manifest.splits:
            known = ", ".join(sorted(self.manifest.splits)) or "none"
            raise DataError(f"no split '{split}' in {folder}; there are: {known}. Name one of them.")
        self._shards = self.manifest.splits[split].shards
        self._ends = list(accumulate(shard.rows for shard in self._shards))
        self._tables: dict[int, Any] = {}
        for shard in self._shards:
            self._check_file(shard.file, shard.bytes)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tables": {}}

    def rows_per_shard(self, rows: NDArray[np.int64]) -> tuple[int, ...]:
        """How many of some rows lie in each shard."""
        shards = np.searchsorted(self._ends, rows, side="right")
        return tuple(np.bincount(shards, minlength=len(self._shards)).tolist())

    def column(self, name: str) -> list[Any]:
        """A column of every row, without touching a picture: ids, height, width, classes."""
        return [value for shard in range(len(self._shards)) for value in self._table(shard)[name].to_pylist()]

    def masked(self) -> NDArray[np.bool_]:
        """Which rows carry a mask."""
        parts = [self._table(shard)["mask"].is_valid().to_numpy() for shard in range(len(self._shards))]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)

    def read(self, row: int) -> tuple[str, Pixels, Pixels | None]:
        """id, image HW3 uint8 RGB, and mask HW uint8 or None of a row. Raises DataError naming shard and row."""
        shard, place = self._locate(row)
        table = self._table(shard)
        try:
            image = decode_image(_bytes(table["image"][place]))
            mask = self._mask(table, place)
            if mask is not None and mask.shape != image.shape[:2]:
                raise ValueError(f"the image is {image.shape[:2]} and its mask {mask.shape}")
        except (ValueError, pa.ArrowException) as error:
            raise self._bad(shard, place, error) from error
        return table["id"][place].as_py(), image, mask

    def mask(self, row: int) -> Pixels:
        """The mask alone of a row that has one, as `read` gives it."""
        shard, place = self._locate(row)
        try:
            mask = self._mask(self._table(shard), place)
            if mask is None:
                raise ValueError("it has no mask")
        except (ValueError, pa.ArrowException) as error:
            raise self._bad(shard, place, error) from error
        return mask

    def _mask(self, table: Any, place: int) -> Pixels | None:
        stored = table["mask"][place]
        return decode_mask(_bytes(stored), classes=len(self.manifest.classes)) if stored.is_valid else None

    def _locate(self, row: int) -> tuple[int, int]:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of split '{self.split}', which has {len(self)}")
        shard = bisect_right(self._ends, row)
        return shard, row - (self._ends[shard] - self._shards[shard].rows)

    def _table(self, shard: int) -> Any:
        """The shard as an Arrow table over its memory map."""
        if shard not in self._tables:
            record = self._shards[shard]
            self._check_file(record.file, record.bytes)
            try:
                table = pa.ipc.open_file(pa.memory_map(str(self.folder / record.file))).read_all()
            except (OSError, pa.ArrowException) as error:
                raise self._damaged(record.file, f"is no readable Arrow file ({error})") from error
            if table.num_rows != record.rows:
                raise self._damaged(record.file, f"has {table.num_rows} rows, the manifest says {record.rows}")
            self._tables[shard] = table
        return self._tables[shard]

    def _check_file(self, file: str, size: int) -> None:
        path = self.folder / file
        if not path.is_file():
            raise self._damaged(file, "is missing")
        if path.stat().st_size != size:
            raise self._damaged(file, f"has {path.stat().st_size} bytes, the manifest says {size}")

    def _damaged(self, file: str, what: str) -> DataError:
        return DataError(f"shard {file} of {self.folder} {what}. {VERIFY.format(folder=self.folder)}")

    def _bad(self, shard: int, place: int, error: Exception) -> DataError:
        return self._damaged(self._shards[shard].file, f"has a bad row {place}: {error}")


def _bytes(picture: Any) -> Pixels:
    """The encoded bytes of an image struct, uint8 (n,), without a copy."""
    stored = picture["bytes"]
    if not stored.is_valid:
        raise ValueError("the row holds no image bytes")
    return np.frombuffer(stored.as_buffer(), np.uint8)
