"""Arrow shards: an IPC *file* of small record batches, with the Hugging Face feature types in its schema.

The file format gives random access through a memory map (`open_shard`), and `datasets.load_dataset("arrow",
data_files=..., streaming=True)` opens it too. Same rows in, same bytes out: nothing in it depends on time or place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.files import sha256_of
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


def write_shard(folder: Path, name: str, rows: Sequence[Row]) -> Shard:
    """Write rows to folder/name (temporary name, then rename) and return its record."""
    import pyarrow as pa

    path = folder / name
    partial = folder / (name + ".partial")
    with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, schema()) as writer:
        for start in range(0, len(rows), BATCH_ROWS):
            writer.write_batch(_batch(rows[start : start + BATCH_ROWS]))
    record = Shard(file=name, rows=len(rows), bytes=partial.stat().st_size, sha256=sha256_of(partial))
    os.replace(partial, path)
    return record


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
