"""The light columns of a shard in a store, without its pictures: a few bytes a row instead of the whole file.

    CACHE/columns/SHA256.arrow    ids, sizes and classes of the shard with that hash; written once, not counted by the limit

Ranges of an Arrow file cannot be checked against the hash of the whole, so they are compared with it when the shard comes whole.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.errors import DataError
from data_prep.shards import open_shard
from data_prep.store.fetch import disk
from data_prep.store.place import Place

if TYPE_CHECKING:
    from data_prep.schema import Shard

LIGHT = ["id", "height", "width", "classes"]


def kept(folder: Path, shard: Shard) -> Any | None:
    """The table that is on the disk; None where there is none, or none that can be read."""
    import pyarrow as pa

    try:
        with pa.OSFile(str(_path(folder, shard))) as file:
            table = pa.ipc.open_file(file).read_all()
    except (FileNotFoundError, pa.ArrowInvalid):
        return None
    return table if table.num_rows == shard.rows else None


def ranged(place: Place, shard: Shard) -> Any | None:
    """The table, by reading those ranges of the object that hold it; None where the store reads whole objects only."""
    import pyarrow as pa
    import pyarrow.dataset as dataset

    try:
        with place.file(shard.file) as file:
            table = dataset.IpcFileFormat().make_fragment(pa.PythonFile(file, mode="r")).to_table(columns=LIGHT)
    except FileNotFoundError:
        raise DataError(
            f"{place.of(shard.file)} is named by the manifest and not there. Upload the data set again."
        ) from None
    except (pa.ArrowException, ValueError, NotImplementedError):
        return None  # it cannot seek; or it is no Arrow file, which its hash will tell
    return table if table.num_rows == shard.rows else None


def of_file(path: Path) -> Any:
    """The table, from a whole shard on this disk. Raises DataError where it is no Arrow file."""
    return open_shard(path).select(LIGHT).combine_chunks()


def keep(folder: Path, shard: Shard, table: Any) -> None:
    import pyarrow as pa

    path = _path(folder, shard)
    with disk():
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            _named_at_the_end(path) as partial,
            pa.OSFile(str(partial), "wb") as sink,
            pa.ipc.new_file(sink, table.schema) as out,
        ):
            out.write_table(table)


def check(folder: Path, shard: Shard, path: Path) -> None:
    """Compare what is kept with the whole shard that has come. Raises DataError where rows were chosen by wrong bytes."""
    light, true = kept(folder, shard), of_file(path)
    if light is not None and not light.equals(true):
        _path(folder, shard).unlink(missing_ok=True)
        raise DataError(
            f"the store gave other bytes for parts of {shard.file} than for the whole of it, which has the right hash: rows were "
            "chosen by wrong ids or classes. Start anew; if it happens again, the store is not to be trusted."
        )
    if light is None:
        keep(folder, shard, true)


@contextmanager
def _named_at_the_end(path: Path) -> Iterator[Path]:
    partial = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def _path(folder: Path, shard: Shard) -> Path:
    return folder / "columns" / f"{shard.sha256}.arrow"
