"""What a raw data set hands over to `prepare`, whatever its format.

A source is a frozen dataclass whose fields are its command line options; `open()` lists the files (it decodes none) and
returns a RawSet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from data_prep.errors import BadItem

Colour = tuple[int, int, int]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
MASK_SUFFIXES = (".png", ".bmp", ".tif", ".tiff")


class RawPair(NamedTuple):
    """The encoded bytes of one image and of its mask (None: unlabelled), with the names to show when one is bad."""

    image: bytes
    mask: bytes | None
    image_file: str
    mask_file: str


@dataclass(frozen=True)
class RawItem:
    """One row to be. `read` raises BadItem; `signature` changes when the files behind it do."""

    id: str
    read: Callable[[], RawPair]
    signature: str


@dataclass(frozen=True)
class RawSet:
    """A raw data set that was listed: splits → items, and how to understand its masks."""

    name: str
    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    licence: str
    splits: dict[str, list[RawItem]]
    label_table: Mapping[int, int]  # raw mask value → train id; any other value but 255 quarantines the image
    options: dict[str, object]  # what shaped the result, without paths: part of the content hash
    notes: tuple[str, ...] = field(default=())  # decisions worth a line on the screen
    colours: Mapping[Colour, int] | None = None  # masks that are colour pictures: colour → raw mask value


class Source(Protocol):
    """One raw format. Raises DataError (with what was found and what to do) when the folder is not that format."""

    def open(self) -> RawSet: ...


def file_item(root: Path, name: str, image: Path, mask: Path | None) -> RawItem:
    """An item that lies in files; names in messages are relative to root."""

    def read() -> RawPair:
        mask_bytes = None if mask is None else _read(root, mask)
        return RawPair(_read(root, image), mask_bytes, _shown(root, image), "" if mask is None else _shown(root, mask))

    return RawItem(name, read, " ".join(_stamp(root, path) for path in (image, mask) if path is not None))


def bad_item(root: Path, name: str, file: Path, reason: str) -> RawItem:
    """An item whose fault shows in the listing already (a mask without an image): reading it raises BadItem."""

    def read() -> RawPair:
        raise BadItem(_shown(root, file), reason)

    return RawItem(name, read, f"{_shown(root, file)} {reason}")


def _shown(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _read(root: Path, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadItem(_shown(root, path), f"unreadable: {error.strerror}") from None


def _stamp(root: Path, path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return f"{_shown(root, path)} absent"
    return f"{_shown(root, path)} {stat.st_size} {stat.st_mtime_ns}"
