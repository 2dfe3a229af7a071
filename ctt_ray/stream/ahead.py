"""Shards of a store fetched before they are read, by threads beside the reading.

One process of a run's worker does it, the one that knows what comes next; its loader processes find the files in the cache that
all processes of the machine share.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable

from ctt_ray.stream.reader import ShardReader

AT_ONCE = 4  # fetches of one process: enough to fill a usual network from a store that answers slowly
SHARE = 0.5  # of the cache that is filled ahead: more would push out what is being read


class Stopped(Exception):
    """Nobody wants it any more."""


class Ahead:
    """Fetches the shards of a reader that are wanted, first ones first. What a fetch raises is left to the reader, who meets it
    when it reads. Of a folder nothing is fetched."""

    def __init__(self, reader: ShardReader, at_once: int = AT_ONCE) -> None:
        self._sizes = [shard.bytes for shard in reader.shards]
        self._room = int(SHARE * reader.files.limit)
        self._work = work = _Work(reader.fetch)
        for _ in range(at_once if reader.files.remote else 0):
            threading.Thread(target=work.serve, daemon=True, name="fetch ahead").start()
        self.close = weakref.finalize(self, work.stop)  # when this goes, and when the process ends

    def want(self, shards: Iterable[int]) -> None:
        """These, as many as there is room for; what was wanted before and is not among them is fetched no more."""
        wanted: dict[int, None] = {}
        room = self._room
        for shard in shards:
            if shard not in wanted:
                room -= self._sizes[shard]
                if room < 0:
                    break
                wanted[shard] = None
        self._work.want(tuple(wanted))


class _Work:
    def __init__(self, fetch: Callable[[int, Callable[[], None]], None]) -> None:
        self._fetch = fetch
        self._changed = threading.Condition()
        self._wanted: tuple[int, ...] = ()
        self._begun: set[int] = set()  # being fetched, or over and done with, while it is wanted
        self._over = False

    def want(self, shards: tuple[int, ...]) -> None:
        with self._changed:
            if shards != self._wanted:
                self._wanted = shards
                self._begun &= set(shards)
                self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def serve(self) -> None:
        while (shard := self._next()) is not None:
            try:
                self._fetch(shard, lambda shard=shard: self._go_on(shard))  # type: ignore[misc]  # bound now
            except Exception:  # the reader asks for it again, and says what is wrong
                continue

    def _next(self) -> int | None:
        """The first shard that nobody has begun; waits for one. None when all is over."""
        with self._changed:
            while not self._over:
                for shard in self._wanted:
                    if shard not in self._begun:
                        self._begun.add(shard)
                        return shard
                self._changed.wait()
            return None

    def _go_on(self, shard: int) -> None:
        if self._over or shard not in self._wanted:
            raise Stopped
