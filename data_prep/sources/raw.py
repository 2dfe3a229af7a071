"""What a raw data set hands over to `prepare`, whatever its format.

A source is a frozen dataclass whose fields are its command line options; `open()` lists the files (it decodes none) and
returns a RawSet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from data_prep.errors import BadItem

Colour = tuple[int, int, int]
File = Path | str

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
MASK_SUFFIXES = (".png", ".bmp", ".tif", ".tiff")


class RawPair(NamedTuple):
    """The encoded bytes of one image and of its mask (None: unlabelled), with the names to show when one is bad."""

    image: bytes
    mask: bytes | None
    image_file: str
    mask_file: str


@dataclass(frozen=True, slots=True)
class RawItem:
    """One row to be. `read` raises BadItem; `signature` changes when the files behind it do.

    Worker processes read, so `read` is picklable, unless the set is streamed. There may be millions: keep it small."""

    id: str
    read: Callable[[], RawPair]
    signature: str

    def __str__(self) -> str:
        return f"'{self.id}'"


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
    streamed: bool = False  # items can be read in their order and in this process only


class Source(Protocol):
    """One raw format. Raises DataError (with what was found and what to do) when the folder is not that format."""

    def open(self) -> RawSet: ...


def file_item(root: Path, name: str, image: File, mask: File | None) -> RawItem:
    """An item that lies in files; names in messages are relative to root."""
    files = _Files(str(root), _shown(root, image), None if mask is None else _shown(root, mask))
    return RawItem(name, files, files.signature())


def bad_item(root: Path, name: str, file: File, reason: str) -> RawItem:
    """An item whose fault shows in the listing already (a mask without an image): reading it raises BadItem."""
    fault = Fault(BadItem(_shown(root, file), reason))
    return RawItem(name, fault, f"{_shown(root, file)} {reason}")


@dataclass(frozen=True, slots=True)
class Fault:
    """Reads nothing: it raises what is known to be wrong."""

    bad: BadItem

    def __call__(self) -> RawPair:
        raise self.bad


@dataclass(frozen=True, slots=True)
class _Files:
    """Reads an image and its mask; paths are relative to root where they lie below it."""

    root: str
    image: str
    mask: str | None

    def __call__(self) -> RawPair:
        return RawPair(self._read(self.image), None if self.mask is None else self._read(self.mask), *self._names())

    def signature(self) -> str:
        return " ".join(self._stamp(file) for file in self._names() if file)

    def _names(self) -> tuple[str, str]:
        return self.image, self.mask or ""

    def _read(self, file: str) -> bytes:
        try:
            return Path(self.root, file).read_bytes()
        except OSError as error:
            raise BadItem(file, f"unreadable: {error.strerror}") from None

    def _stamp(self, file: str) -> str:
        try:
            stat = os.stat(os.path.join(self.root, file))
        except OSError:
            return f"{file} absent"
        return f"{file} {stat.st_size} {stat.st_mtime_ns}"


def _shown(root: Path, path: File) -> str:
    return str(path).removeprefix(f"{root}/")  # Path.relative_to takes ten times as long
