"""One object of a store as a file whose every read is repeated until it works."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from data_prep.store.patience import Patience, patiently

SKIP = 1 << 20


class RemoteFile(io.RawIOBase):
    """open: opens the object, as pyarrow.NativeFile · stream: it can be read from its beginning only, and after a failure
    is read from there anew.

    Reads raise FileNotFoundError where there is no such object, DataError where the store denies it or stays away."""

    def __init__(self, open: Callable[[], Any], url: str, patience: Patience, *, stream: bool) -> None:
        self._open, self._url, self._patience, self._stream = open, url, patience, stream
        self._file: Any = None
        self._place = 0  # of the next read
        self._at = 0  # of the open stream

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most so many, none at the end."""
        found: bytes = patiently(lambda: self._once(size), self._url, self._patience)
        self._place += len(found)
        return found

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            place += patiently(self._size, self._url, self._patience)
        self._place = place + (self._place if whence == io.SEEK_CUR else 0)
        return self._place

    def tell(self) -> int:
        return self._place

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._drop()
        super().close()

    def _once(self, size: int) -> bytes:
        try:
            if not self._stream:
                return bytes(self._opened().read_at(size, self._place))
            while self._opened() is not None and self._at < self._place:
                skipped = len(self._opened().read(min(SKIP, self._place - self._at)))
                self._at += skipped or self._place
            found = bytes(self._opened().read(size))
            self._at += len(found)
            return found
        except BaseException:
            self._drop()
            raise

    def _size(self) -> int:
        try:
            return int(self._opened().size())
        except BaseException:
            self._drop()
            raise

    def _opened(self) -> Any:
        if self._file is None:
            self._file, self._at = self._open(), 0
        return self._file

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
