"""One object of a store → one file that is on the disk, whole, and has the bytes that the manifest names."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from data_prep.errors import DataError
from data_prep.store.place import Place

if TYPE_CHECKING:
    from data_prep.schema import Shard

CHUNK = 4 << 20  # also the size of a request to S3
TWICE = 2  # bytes damaged on their way are other ones the next time; an object that is another one is not
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFull(Exception):
    """There is no room for the file here; what was written of it is worth nothing."""


class _WrongBytes(Exception):
    """Not what the manifest names."""


def fetch(place: Place, shard: Shard, file: int, go_on: Callable[[], None] = lambda: None) -> None:
    """Write a shard's bytes to an open file and sync it. go_on: called now and then, may raise to give up.

    Raises DataError where the store denies it, stays away, has no such object or one of other bytes; DiskFull."""
    try:
        for _ in range(TWICE):
            try:
                return _copy(place, shard, file, go_on)
            except _WrongBytes as error:
                wrong = error
    except FileNotFoundError:
        raise DataError(
            f"{place.of(shard.file)} is named by the manifest and not there. Upload the data set again, the manifest last."
        ) from None
    raise DataError(
        f"{place.of(shard.file)} {wrong}, twice. The data set was changed since its manifest was read, or the object "
        "is damaged: upload the data set again (shards first, the manifest last), then start anew."
    )


def _copy(place: Place, shard: Shard, file: int, go_on: Callable[[], None]) -> None:
    digest, size = hashlib.sha256(), 0
    os.lseek(file, 0, os.SEEK_SET)
    with place.stream(shard.file) as source:
        while size <= shard.bytes and (chunk := source.read(CHUNK)):
            go_on()
            digest.update(chunk)
            size += len(chunk)
            if size <= shard.bytes:
                _write(file, chunk)
    if size != shard.bytes:
        more = " or more" * (size > shard.bytes)
        raise _WrongBytes(f"has {size}{more} bytes, the manifest says {shard.bytes}")
    if digest.hexdigest() != shard.sha256:
        raise _WrongBytes(f"has sha256 {digest.hexdigest()[:12]}…, the manifest says {shard.sha256[:12]}…")
    with disk():
        os.fsync(file)  # a name that is given later must not outlive a power cut that the bytes do not


def _write(file: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    with disk():
        while left:
            left = left[os.write(file, left) :]


class disk:
    """Errors of this machine's disk inside the block, told apart from those of the store."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and error.errno in FULL:
            raise DiskFull(error.strerror) from None
        if isinstance(error, OSError):
            raise DataError(f"the cache cannot be written: {error}") from None
