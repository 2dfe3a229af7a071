"""Arrow shards: an IPC *file* of small record batches, with the Hugging Face feature types in its schema.

The file format gives random access through a memory map (`open_shard`), and `datasets.load_dataset("arrow",
data_files=..., streaming=True)` opens it too. Same rows in, same bytes out: nothing in it depends on time or place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.files import PARTIAL, sha256_of
from data_prep.schema import DataError, Shard

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 16  # a reader that wants one row touches the pages of that row only; small batches keep streaming lean
MIN_SHARDS = 4  # a small split is cut into at least four (rows permitting), so that shuffling by shard shuffles

HF_FEATURES = {
    "id": {"dtype": "string", "_type": "Value"},
    "image": {"_type": "Image"},
    "mask": {"_type": "Image"},
    "height": {"dtype": "int32", "_type": "Value"},
    "width": {"dtype": "int32", "_type": "Value"},
    "classes": {"feature": {"dtype": "uint8", "_type": "Value"}, "_type": "List"},
}


@dataclass(frozen=True)
class Row:
    """One stored sample: encoded image, encoded mask of train ids (None: unlabelled), size, present train ids."""

    id: str
    image: bytes
    mask: bytes | None
    height: int
    width: int
    classes: tuple[int, ...] | None

    @property
    def nbytes(self) -> int:
        return len(self.image) + len(self.mask or b"")


def schema() -> pa.Schema:
    """The Arrow schema of a shard, with the feature types that `datasets` reads from key `huggingface`."""
    import pyarrow as pa

    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields = [
        ("id", pa.string()),
        ("image", picture),
        ("mask", picture),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("classes", pa.list_(pa.uint8())),
    ]
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": HF_FEATURES}})})


def shard_name(split: str, number: int) -> str:
    """'train-00003.arrow'."""
    return f"{split}-{number:05d}.arrow"


def shard_is_full(rows: int, nbytes: int, *, split_items: int, target_bytes: int) -> bool:
    """The cutting rule: a shard closes at target_bytes, or with its quarter of the split, whichever comes first."""
    return nbytes >= target_bytes or rows >= -(-split_items // MIN_SHARDS)


class ShardWriter:
    """One shard that is being written, a record batch at a time; it gets its name when it is whole."""

    def __init__(self, folder: Path, name: str) -> None:
        """Touches no file yet: whoever has a writer can drop it, wherever an interrupt comes."""
        self.name = name
        self._path, self._partial = folder / name, folder / (name + PARTIAL)
        self._open: tuple[Any, Any] | None = None  # file, writer
        self._batch: list[Row] = []
        self.rows = 0
        self.nbytes = 0  # of the pictures

    def add(self, row: Row) -> None:
        self.rows += 1
        self.nbytes += row.nbytes
        self._batch.append(row)
        if len(self._batch) == BATCH_ROWS:
            self._flush()

    def finish(self) -> Shard:
        """Close the file, give it its name and return its record."""
        self._flush()
        for file in reversed(self._opened()):
            file.close()
        record = Shard(self.name, self.rows, self._partial.stat().st_size, sha256_of(self._partial))
        os.replace(self._partial, self._path)
        return record

    def drop(self) -> None:
        """Leave nothing behind."""
        self._partial.unlink(missing_ok=True)
        if self._open:
            self._open[0].close()  # it may still write: on a full disk it raises

    def _flush(self) -> None:
        if self._batch:
            self._opened()[1].write_batch(_batch(self._batch))
        self._batch.clear()

    def _opened(self) -> tuple[Any, Any]:
        import pyarrow as pa

        if self._open is None:
            sink = pa.OSFile(str(self._partial), "wb")
            self._open = sink, pa.ipc.new_file(sink, schema())
        return self._open


def write_shard(folder: Path, name: str, rows: Iterable[Row]) -> Shard:
    """Write rows to folder/name (temporary name, then rename) and return its record."""
    writer = ShardWriter(folder, name)
    try:
        for row in rows:
            writer.add(row)
        return writer.finish()
    except BaseException:
        writer.drop()
        raise


def open_shard(path: Path) -> pa.Table:
    """A shard as a table over its memory map: no bytes are read before they are touched. Raises DataError."""
    import pyarrow as pa

    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"cannot open shard {path}: {error}. Prepare the data set again.") from None


def column(table: pa.Table, name: str) -> list[Any]:
    """One light column ('id', 'classes', 'height', 'width') as Python values."""
    values: list[Any] = table.column(name).to_pylist()
    return values


def picture_bytes(table: pa.Table, name: str, row: int) -> bytes | None:
    """The encoded bytes of 'image' or 'mask' in one row; None where there is none."""
    value = table.column(name)[row]
    data: bytes | None = value["bytes"].as_py() if value.is_valid else None
    return data


def _batch(rows: Sequence[Row]) -> pa.RecordBatch:
    import pyarrow as pa

    columns = {
        "id": [row.id for row in rows],
        "image": [{"bytes": row.image, "path": None} for row in rows],
        "mask": [None if row.mask is None else {"bytes": row.mask, "path": None} for row in rows],
        "height": [row.height for row in rows],
        "width": [row.width for row in rows],
        "classes": [None if row.classes is None else list(row.classes) for row in rows],
    }
    wanted = schema()
    return pa.RecordBatch.from_arrays([pa.array(columns[f.name], f.type) for f in wanted], schema=wanted)
