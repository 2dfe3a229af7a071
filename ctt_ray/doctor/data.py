"""A prepared data set, quickly: its manifest can be read, and every shard is there with its size. Of one in a store: how fast a
shard comes, and whether the cache has room."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from ctt_ray.doctor.finding import Finding
from ctt_ray.doctor.machine import nearest
from data_prep.schema import DataError, Manifest, Shard, load_manifest
from data_prep.store import settings
from data_prep.store.place import Place, as_folder, is_url

MEASURED = 64 << 20  # bytes of a shard that are read to tell the speed
ROOM = 10  # shards that a run has at hand


def check(data: str) -> list[Finding]:
    """Every byte is what `python -m data_prep verify` is for."""
    try:
        manifest = load_manifest(data)
        return _store(data, manifest) if is_url(data) else [_folder(as_folder(data), manifest)]
    except DataError as error:
        return [Finding("fail", "data", str(error))]


def _store(data: str, manifest: Manifest) -> list[Finding]:
    shards = _shards(manifest)
    largest = max(shards, key=lambda shard: shard.bytes)
    size, seconds = _read(Place(data), largest)
    size_all = sum(shard.bytes for shard in shards)
    speed = size / 2**20 / max(seconds, 1e-6)
    said = (
        f"{data}: {_counted(manifest)}; {largest.file} is there with its size and comes at {speed:.0f} MiB/s, all of it would "
        f"take {size_all / 2**20 / speed / 60:.1f} min"
    )
    return [Finding("ok", "data", said), _cache(sorted(shard.bytes for shard in shards), size_all)]


def _read(place: Place, shard: Shard) -> tuple[int, float]:
    """Bytes and seconds. Raises DataError where the object is absent or of another size."""
    begun = time.monotonic()
    size = 0
    try:
        with place.stream(shard.file) as file:
            while size < min(MEASURED, shard.bytes + 1) and (part := file.read(1 << 22)):
                size += len(part)
    except FileNotFoundError as error:
        raise DataError(f"{error}, and the manifest names it: upload the data set again, the manifest last") from None
    if size < min(MEASURED, shard.bytes) or (size < MEASURED and size != shard.bytes):
        raise DataError(f"{place.of(shard.file)} has {size} bytes, the manifest says {shard.bytes}: upload it again")
    return size, time.monotonic() - begun


def _cache(sizes: list[int], size_all: int) -> Finding:
    folder, limit = settings.folder(), settings.limit()
    kept = sum(path.stat().st_size for path in (folder / "shards").glob("*"))
    free, needed = shutil.disk_usage(nearest(folder)).free + kept, sum(sizes[-ROOM:])
    said = f"{folder} may hold {settings.gib(limit)} ({settings.LIMIT}), the disk has room for {settings.gib(free)}"
    if min(limit, free) < needed:
        return Finding("fail", "cache", f"{said}; a run needs {settings.gib(needed)} at least ({settings.FOLDER})")
    if min(limit, free) < size_all:
        return Finding(
            "warn", "cache", f"{said}; the data set is {settings.gib(size_all)}, so shards come anew every pass"
        )
    return Finding("ok", "cache", f"{said}; the data set is {settings.gib(size_all)}")


def _folder(folder: Path, manifest: Manifest) -> Finding:
    shards = _shards(manifest)
    wrong = [shard.file for shard in shards if _size(folder / shard.file) != shard.bytes]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        said = f"{', '.join(wrong[:3])}{more} missing or of another size: copy again, then `python -m data_prep verify`"
        return Finding("fail", "data", f"{folder}: {said}")
    return Finding("ok", "data", f"{folder}: {_counted(manifest)}, all there")


def _shards(manifest: Manifest) -> list[Shard]:
    return [shard for split in manifest.splits.values() for shard in split.shards]


def _counted(manifest: Manifest) -> str:
    rows, shards = sum(split.rows for split in manifest.splits.values()), _shards(manifest)
    return f"{rows} images in {len(shards)} shards, {sum(shard.bytes for shard in shards) / 2**20:.0f} MiB"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
