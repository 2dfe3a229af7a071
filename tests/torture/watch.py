"""Linux's inotify in a few lines: to be awake at the very moment a file is being written."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import time
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from types import TracebackType

MODIFY, MOVED_TO, CREATE, IS_DIR = 0x2, 0x80, 0x100, 0x40000000
HEAD = struct.Struct("iIII")


class Watch:
    """Follows a folder and the folders in it, those made later too."""

    def __init__(self, root: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init()
        self._folders: dict[int, Path] = {}
        self._follow(root)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._fd)

    def wait(self, pattern: str, *, skip: int, patience: float, alive: Callable[[], bool]) -> Path | None:
        """The path of the (skip + 1)-th file or folder matching `pattern` that is made or written; None if none comes."""
        until = time.monotonic() + patience
        while time.monotonic() < until and alive():
            if not select.select([self._fd], [], [], 0.2)[0]:
                continue
            for path in self._read():
                if fnmatch(str(path), pattern):
                    if not skip:
                        return path
                    skip -= 1
        return None

    def _read(self) -> list[Path]:
        raw, found, at = os.read(self._fd, 65536), [], 0
        while at < len(raw):
            folder, mask, _, length = HEAD.unpack_from(raw, at)
            name = raw[at + HEAD.size : at + HEAD.size + length].rstrip(b"\0").decode()
            at += HEAD.size + length
            if folder in self._folders and name:
                path = self._folders[folder] / name
                found.append(path)
                if mask & IS_DIR:
                    self._follow(path)
                    found += [inside for inside in path.glob("*") if inside.is_file()]
        return found

    def _follow(self, folder: Path) -> None:
        number = self._libc.inotify_add_watch(self._fd, os.fsencode(folder), MODIFY | MOVED_TO | CREATE)
        if number >= 0:
            self._folders[number] = folder
            for inside in folder.glob("*"):
                if inside.is_dir() and inside.name != ".ray":
                    self._follow(inside)
