"""Shards on this machine's disk: bounded, shared by every process of the machine, keyed by what is in them.

    CACHE/shards/SHA256    whole and verified: a file gets this name only after its bytes were hashed and synced
    CACHE/partial/SHA256   being fetched by the process that holds its lock, or left by one that was killed

Locks are flock's, so those of a killed process are gone with it. Who reads a shard holds a shared lock on it, its lease; who
fetches one holds the partial file's lock alone, so each is fetched once; who evicts takes the lock of what it removes, so no
lease is ever broken. Equal shards of two data sets are one file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from data_prep.errors import DataError
from data_prep.store.fetch import FULL, DiskFull, disk
from data_prep.store.settings import FOLDER, LIMIT, gib

LOOK_AGAIN_S = 0.02
ROOM_WITHIN_S = 60.0  # the leases of others move on as they read
NO_FALLOCATE = (errno.EOPNOTSUPP, errno.EINVAL)
Make = Callable[[int], None]  # writes the open file, or raises


class Full(DataError):
    """No room: everything in the cache is in use, or the disk is full of other things."""


@dataclass(frozen=True)
class Lease:
    """A whole file that stays until `close`. hit: it was there already."""

    path: Path
    file: int
    hit: bool

    def close(self) -> None:
        os.close(self.file)


class Cache:
    """Files under `folder`, at most `limit` bytes of them. Raises DataError where the folder cannot be made."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._whole, self._partial = folder / "shards", folder / "partial"
        try:
            for each in (self._whole, self._partial):
                each.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"the cache {folder} cannot be made: {error}. Name a folder on a local disk by {FOLDER}."
            ) from None

    def lease(
        self,
        name: str,
        size: int,
        make: Make,
        go_on: Callable[[], None] = lambda: None,
        room_within_s: float = ROOM_WITHIN_S,
    ) -> Lease:
        """The file `name`, made if it is not there by one of all processes that ask for it; the others wait for that one.

        go_on: called while waiting, may raise. Raises Full, and what `make` raises; nothing half-made is left then."""
        made = False
        while True:
            held = self._hold(name, size)
            if held is not None:
                return Lease(held.path, held.file, hit=not made)
            with self._alone(name) as file:
                if file is not None and not self.has(name):
                    self._reserve(file, size, go_on, room_within_s)
                    self._fill(file, size, make)
                    with self._accounts():  # or who counts just then might see it in neither folder
                        os.replace(self._partial / name, self._whole / name)
                    made = True
            if not made:
                go_on()
                time.sleep(LOOK_AGAIN_S)

    def has(self, name: str) -> bool:
        return (self._whole / name).is_file()

    def used(self) -> int:
        """Bytes of all files, those being fetched at their full size."""
        with self._accounts():
            return self._counted()

    def _counted(self) -> int:
        return sum(size for folder in (self._whole, self._partial) for _, size, _ in _listed(folder))

    def _hold(self, name: str, size: int) -> Lease | None:
        """A lease of the file; None where there is none, or none of that size."""
        path = self._whole / name
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        if not _locked(file, fcntl.LOCK_SH) or not os.fstat(file).st_nlink:  # it is being removed, or was
            os.close(file)
            return None
        if os.fstat(file).st_size != size:  # the disk lost something
            path.unlink(missing_ok=True)
            os.close(file)
            return None
        os.utime(file)
        return Lease(path, file, hit=True)

    @contextmanager
    def _alone(self, name: str) -> Iterator[int | None]:
        """The partial file under a lock, None while another process has it; removed afterwards unless it was renamed."""
        path = self._partial / name
        with disk():
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            mine = _locked(file, fcntl.LOCK_EX) and _is(path, file)
            try:
                yield file if mine else None
            finally:
                if mine and _is(path, file):
                    path.unlink(missing_ok=True)
        finally:
            os.close(file)

    def _fill(self, file: int, size: int, make: Make) -> None:
        try:
            make(file)
        except DiskFull:
            raise self._disk_full(size) from None

    def _reserve(self, file: int, size: int, go_on: Callable[[], None], within_s: float) -> None:
        """Take room for `size` bytes of the limit and of the disk. Raises Full where others hold all of it for too long."""
        until = time.monotonic() + within_s
        while True:
            with self._accounts():
                fits = self._evicted(size)
                if fits and self._allocated(file, size):
                    return
            if time.monotonic() >= until:
                raise self._disk_full(size) if fits else self._in_use(size)
            go_on()
            time.sleep(LOOK_AGAIN_S)

    def _evicted(self, size: int) -> bool:
        """Whether `size` more bytes keep to the limit, after removing what was used longest ago and is not leased."""
        for path, _, _ in _listed(self._partial):
            _remove(path)  # what a killed process left; a living one's is locked
        over = self._counted() + size - self.limit
        for path, bytes, _ in sorted(_listed(self._whole), key=lambda each: each[2]):
            if over <= 0:
                break
            over -= bytes if _remove(path) else 0
        return over <= 0

    def _allocated(self, file: int, size: int) -> bool:
        """Whether the disk has room for `size` bytes, after removing what is not leased if need be."""
        oldest = iter(sorted(_listed(self._whole), key=lambda each: each[2]))
        while True:
            try:
                _allocate(file, size)
                return True
            except OSError as error:
                if error.errno not in FULL:
                    raise DataError(f"the cache {self.folder} cannot be written: {error}") from None
            if not any(_remove(path) for path, _, _ in oldest):
                os.ftruncate(file, 0)
                return False

    @contextmanager
    def _accounts(self) -> Iterator[None]:
        """One process at a time counts and removes."""
        with disk():
            file = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def _in_use(self, size: int) -> Full:
        return Full(
            f"the cache {self.folder} may hold {gib(self.limit)} ({LIMIT}); {gib(size)} more are needed and all that is in it "
            f"is being read. Raise {LIMIT} to {gib(self.used() + size)} at least, or run fewer processes on this machine."
        )

    def _disk_full(self, size: int) -> Full:
        return Full(
            f"the disk of the cache {self.folder} is full: {size} bytes are needed for the next shard, and nothing in the cache "
            f"can be removed to make room. Free space there, or name another folder by {FOLDER}."
        )


def _listed(folder: Path) -> list[tuple[Path, int, int]]:
    """(path, bytes, last used in ns) of its files."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                stat = entry.stat()
                found.append((Path(entry.path), stat.st_size, stat.st_mtime_ns))
    return found


def _remove(path: Path) -> bool:
    """Whether the file could be removed: nobody has a lock on it."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        free = _locked(file, fcntl.LOCK_EX) and _is(path, file)
        if free:
            path.unlink()
        return free
    finally:
        os.close(file)


def _locked(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is(path: Path, file: int) -> bool:
    """Whether the name still stands for the open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _allocate(file: int, size: int) -> None:
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno not in NO_FALLOCATE:
            raise
        os.ftruncate(file, size)  # the limit is kept all the same; a full disk shows while writing
