"""A prepared data set, quickly: its manifest can be read, and every shard is there with its size."""

from __future__ import annotations

from pathlib import Path

from ctt_ray.doctor.finding import Finding
from data_prep.schema import DataError, load_manifest


def check(data: str) -> Finding:
    """Every byte is what `python -m data_prep verify` is for."""
    if "://" in data:
        return Finding("warn", "data", f"{data} is a URL: not looked at")
    folder = Path(data)
    try:
        manifest = load_manifest(folder)
    except DataError as error:
        return Finding("fail", "data", str(error))
    shards = [shard for split in manifest.splits.values() for shard in split.shards]
    wrong = [shard.file for shard in shards if _size(folder / shard.file) != shard.bytes]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        said = f"{', '.join(wrong[:3])}{more} missing or of another size: copy again, then `python -m data_prep verify`"
        return Finding("fail", "data", f"{folder}: {said}")
    rows = sum(split.rows for split in manifest.splits.values())
    size = sum(shard.bytes for shard in shards) / 2**20
    return Finding("ok", "data", f"{folder}: {rows} images in {len(shards)} shards, {size:.0f} MiB, all there")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
