"""Random access to the rows of a split, by memory map: of the shards themselves, or of their copies in the cache."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ctt_ray.stream.decode import Pixels, decode_image, decode_mask
from data_prep.schema import DataError, Manifest, load_manifest
from data_prep.store.cache import Full
from data_prep.store.shards import Held, shards_of

MOST_OPEN = 8  # shards of a store that a reader keeps open: as many as two streams shuffle together


class Stored(NamedTuple):
    """A row of a shard; the pictures as encoded bytes, uint8 (n,), without a copy."""

    shard: int
    place: int
    id: str
    image: Pixels
    mask: Pixels | None


class ShardReader:
    """The rows of one split of a prepared data set, numbered over its shards in the manifest's order.

    Shards are opened when first read. Pickles as folder and split: a loader process opens them for itself."""

    def __init__(self, folder: str | Path, split: str) -> None:
        """folder: or a URL. Raises DataError where the manifest has no such split, or a shard is missing or not of its
        recorded size; of a data set in a store the manifest alone is looked at."""
        self.folder = folder
        self.split = split
        self.files = shards_of(folder)
        self.manifest: Manifest = load_manifest(folder)
        if split not in self.manifest.splits:
            known = ", ".join(sorted(self.manifest.splits)) or "none"
            raise DataError(f"no split '{split}' in {folder}; there are: {known}. Name one of them.")
        self.shards = self.manifest.splits[split].shards
        self._ends = list(accumulate(shard.rows for shard in self.shards))
        self._open: OrderedDict[int, tuple[Any, Held]] = OrderedDict()
        self._light: list[Any] = []
        self.files.check(self.shards, at_once=min(MOST_OPEN + 1, len(self.shards)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict(), "_light": []}

    def shard_of(self, row: int) -> int:
        """The number of the shard that holds a row."""
        return bisect_right(self._ends, row)

    def fetch(self, shard: int, go_on: Callable[[], None]) -> None:
        """Bring a shard into the cache, whichever thread asks. go_on: called now and then, raises to give up."""
        self.files.at_hand(self.shards[shard], wait=False, go_on=go_on).close()

    def rows_per_shard(self, rows: NDArray[np.int64]) -> tuple[int, ...]:
        """How many of some rows lie in each shard."""
        shards = np.searchsorted(self._ends, rows, side="right")
        return tuple(np.bincount(shards, minlength=len(self.shards)).tolist())

    def column(self, name: str) -> list[Any]:
        """A column of every row, without touching a picture: id, height, width, classes."""
        return [value for table in self._light_tables() for value in table[name].to_pylist()]

    def masked(self) -> NDArray[np.bool_]:
        """Which rows carry a mask: those that have classes."""
        parts = [table["classes"].is_valid().to_numpy() for table in self._light_tables()]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)

    def _light_tables(self) -> list[Any]:
        if not self.files.remote:
            return [self._table(shard) for shard in range(len(self.shards))]
        if not self._light:
            light = self.files.light(self.shards)
            masks = sum(len(table) - table["classes"].null_count for table in light)
            if masks != self.manifest.splits[self.split].with_mask:
                raise DataError(
                    f"split '{self.split}' of {self.folder} has {masks} masks, the manifest says "
                    f"{self.manifest.splits[self.split].with_mask}: the store gave wrong bytes. Upload the data set again."
                )
            self._light = light
        return self._light

    def read(self, row: int) -> tuple[str, Pixels, Pixels | None]:
        """id, image HW3 uint8 RGB, and mask HW uint8 or None of a row. Raises DataError naming shard and row."""
        stored = self.stored(row)
        return stored.id, *self.decoded(stored)

    def stored(self, row: int) -> Stored:
        """A row as it lies in its shard: a view of the memory map. Raises DataError."""
        shard, place = self._locate(row)
        table = self._table(shard)
        try:
            image, mask = _bytes(table["image"][place]), table["mask"][place]
            encoded_mask = _bytes(mask) if mask.is_valid else None
        except (ValueError, pa.ArrowException) as error:
            raise self._bad(shard, place, error) from error
        return Stored(shard, place, table["id"][place].as_py(), image, encoded_mask)

    def decoded(self, stored: Stored) -> tuple[Pixels, Pixels | None]:
        """Image and mask of a row, as `read` gives them."""
        try:
            image = decode_image(stored.image)
            mask = None if stored.mask is None else self._mask(stored.mask)
            if mask is not None and mask.shape != image.shape[:2]:
                raise ValueError(f"the image is {image.shape[:2]} and its mask {mask.shape}")
        except ValueError as error:
            raise self._bad(stored.shard, stored.place, error) from error
        return image, mask

    def mask(self, row: int) -> Pixels:
        """The mask alone of a row that has one, as `read` gives it."""
        stored = self.stored(row)
        try:
            if stored.mask is None:
                raise ValueError("it has no mask")
            return self._mask(stored.mask)
        except ValueError as error:
            raise self._bad(stored.shard, stored.place, error) from error

    def _mask(self, encoded: Pixels) -> Pixels:
        return decode_mask(encoded, classes=len(self.manifest.classes))

    def _locate(self, row: int) -> tuple[int, int]:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of split '{self.split}', which has {len(self)}")
        shard = self.shard_of(row)
        return shard, row - (self._ends[shard] - self.shards[shard].rows)

    def _table(self, shard: int) -> Any:
        """The shard as an Arrow table over its memory map."""
        if shard in self._open:
            self._open.move_to_end(shard)
            return self._open[shard][0]
        if self.files.remote and len(self._open) >= MOST_OPEN:
            self._close_oldest()
        held = self._at_hand(shard)
        try:
            table = self._opened(shard, held.path)
        except BaseException:
            held.close()
            raise
        self._open[shard] = table, held
        return table

    def _at_hand(self, shard: int) -> Held:
        """The shard's file; where the cache is full of shards that are open, those used longest ago make room."""
        while True:
            try:
                return self.files.at_hand(self.shards[shard], wait=not self._open)
            except Full:
                if not self._open:
                    raise
                self._close_oldest()

    def _close_oldest(self) -> None:
        self._open.popitem(last=False)[1][1].close()

    def _opened(self, shard: int, path: Path) -> Any:
        record = self.shards[shard]
        try:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(shard, f"is no readable Arrow file ({error})") from error
        if table.num_rows != record.rows:
            raise self._damaged(shard, f"has {table.num_rows} rows, the manifest says {record.rows}")
        return table

    def _damaged(self, shard: int, what: str) -> DataError:
        record = self.shards[shard]
        return DataError(f"shard {record.file} of {self.folder} {what}. {self.files.remedy(record)}")

    def _bad(self, shard: int, place: int, error: Exception) -> DataError:
        return self._damaged(shard, f"has a bad row {place}: {error}")


def _bytes(picture: Any) -> Pixels:
    """The encoded bytes of an image struct, uint8 (n,), without a copy."""
    stored = picture["bytes"]
    if not stored.is_valid:
        raise ValueError("the row holds no image bytes")
    return np.frombuffer(stored.as_buffer(), np.uint8)
