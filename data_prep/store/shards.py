"""Whole shards at hand as files of this machine, whether the data set is a folder or in a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from data_prep.errors import DataError
from data_prep.store import columns, settings
from data_prep.store.cache import ROOM_WITHIN_S, Cache, Lease
from data_prep.store.fetch import fetch
from data_prep.store.place import Place, as_folder, is_url

if TYPE_CHECKING:
    from data_prep.schema import Shard

AT_ONCE = 8  # shards whose light columns are asked for at the same time
VERIFY = "Run `python -m data_prep verify {folder}` to find every bad file, then prepare the data set again."


def go_on() -> None:
    """Nothing speaks against it."""


class Held(Protocol):
    """A file that stays while it is held. hit: it was there already."""

    @property
    def path(self) -> Path: ...
    @property
    def hit(self) -> bool: ...
    def close(self) -> None: ...


class Shards(Protocol):
    """Where the files of a data set come from. remote: they are fetched and may leave again, so few should be open at once ·
    limit: bytes that may be here at once · fetched: bytes that this process has brought · hits: shards that it asked for and
    found here."""

    remote: bool
    fetched: int
    hits: int

    @property
    def limit(self) -> int: ...

    def check(self, shards: Sequence[Shard], *, at_once: int) -> None:
        """Raises DataError where a look is enough to see that they cannot be read, `at_once` of them together."""

    def at_hand(self, shard: Shard, *, wait: bool = True, go_on: Callable[[], None] = go_on) -> Held:
        """wait: for room in a cache that others fill · go_on: called now and then while this takes time, may raise to give up.

        Raises DataError where it cannot be had."""

    def light(self, shards: Sequence[Shard]) -> list[Any]:
        """Arrow tables of id, height, width and classes."""

    def remedy(self, shard: Shard) -> str:
        """What to do about one with unreadable rows."""


def shards_of(data: str | Path) -> Shards:
    """Raises DataError for settings of the cache that cannot be."""
    return StoreShards(str(data)) if is_url(data) else FolderShards(as_folder(data))


class _File:
    hit = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def close(self) -> None:
        return None


class FolderShards:
    """Files in a folder, as they are."""

    remote = False
    limit = fetched = hits = 0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self, shards: Sequence[Shard], *, at_once: int) -> None:
        """They are there with their sizes."""
        for shard in shards:
            self.at_hand(shard)

    def at_hand(self, shard: Shard, *, wait: bool = True, go_on: Callable[[], None] = go_on) -> Held:
        path = self._folder / shard.file
        size = path.stat().st_size if path.is_file() else -1
        if size != shard.bytes:
            what = "is missing" if size < 0 else f"has {size} bytes, the manifest says {shard.bytes}"
            raise DataError(f"shard {shard.file} of {self._folder} {what}. {self.remedy(shard)}")
        return _File(path)

    def light(self, shards: Sequence[Shard]) -> list[Any]:
        return [columns.of_file(self.at_hand(shard).path) for shard in shards]

    def remedy(self, shard: Shard) -> str:
        return VERIFY.format(folder=self._folder)


class StoreShards:
    """Files that come into the cache when they are asked for."""

    remote = True

    def __init__(self, url: str) -> None:
        self.place = Place(url)
        self.cache = Cache(settings.folder(), settings.limit())
        self.fetched, self.hits = 0, 0

    @property
    def limit(self) -> int:
        return self.cache.limit

    def check(self, shards: Sequence[Shard], *, at_once: int) -> None:
        """The largest ones fit into the cache together."""
        needed = sum(sorted(shard.bytes for shard in shards)[-at_once:])
        if needed > self.cache.limit:
            raise DataError(
                f"{self.place.url} needs {settings.gib(needed)} of shards at hand ({at_once} of them), the cache "
                f"{self.cache.folder} may hold {settings.gib(self.cache.limit)}. "
                f"Set {settings.LIMIT} to {settings.gib(needed).removesuffix(' GiB')} or more."
            )

    def at_hand(self, shard: Shard, *, wait: bool = True, go_on: Callable[[], None] = go_on) -> Lease:
        def make(file: int) -> None:
            fetch(self.place, shard, file, go_on)

        lease = self.cache.lease(shard.sha256, shard.bytes, make, go_on, ROOM_WITHIN_S if wait else 0.0)
        if lease.hit:
            self.hits += 1
            return lease
        self.fetched += shard.bytes
        try:
            columns.check(self.cache.folder, shard, lease.path)
        except BaseException:
            lease.close()
            raise
        return lease

    def light(self, shards: Sequence[Shard]) -> list[Any]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self._light, shards))

    def remedy(self, shard: Shard) -> str:
        return (
            f"Its bytes are those that the manifest names: verify the data set where it was prepared, and upload it again. "
            f"If it is sound there, remove {self.cache.folder / 'shards' / shard.sha256}."
        )

    def _light(self, shard: Shard) -> Any:
        """From the disk if they have been read before; else by ranges, or from the whole shard where that cannot be."""
        table = columns.kept(self.cache.folder, shard)
        if table is None and not self.cache.has(shard.sha256):
            table = columns.ranged(self.place, shard)
            if table is not None:
                columns.keep(self.cache.folder, shard, table)
        if table is None:
            lease = self.at_hand(shard)
            try:
                table = columns.of_file(lease.path)
                columns.keep(self.cache.folder, shard, table)
            finally:
                lease.close()
        return table
