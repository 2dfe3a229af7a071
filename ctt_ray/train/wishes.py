"""What is asked of a run from outside, by its command or by hand: an empty file RUN/asked/save or RUN/asked/stop.

A file reaches the workers on whichever machines they are, on any storage, and needs no connection to them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyarrow import fs

from ctt_ray.train.asks import Ask

NAMES = {Ask.SAVE: "save", Ask.STOP: "stop"}


class Wishes:
    def __init__(self, filesystem: Any, run: str) -> None:
        self._fs, self._folder = filesystem, f"{run}/asked"

    @classmethod
    def at(cls, storage: str, name: str) -> Wishes:
        """Of a run that need not have begun."""
        return cls(*located(storage, name))

    def put(self, ask: Ask) -> None:
        self._fs.create_dir(self._folder, recursive=True)
        with self._fs.open_output_stream(self._path(ask)):
            pass

    def drop(self, ask: Ask) -> None:
        """It is done, or nobody wants it any more."""
        if self.there(ask):
            self._fs.delete_file(self._path(ask))

    def clear(self) -> None:
        for ask in NAMES:
            self.drop(ask)

    def there(self, ask: Ask) -> bool:
        return bool(self._fs.get_file_info(self._path(ask)).type == fs.FileType.File)

    def highest(self) -> Ask:
        return next((ask for ask in (Ask.STOP, Ask.SAVE) if self.there(ask)), Ask.NOTHING)

    def _path(self, ask: Ask) -> str:
        return f"{self._folder}/{NAMES[ask]}"


def located(storage: str, name: str) -> tuple[Any, str]:
    """The file system of a storage folder or URL, and the run's path in it."""
    if "://" not in storage:
        return fs.LocalFileSystem(), str(Path(storage).resolve() / name)
    filesystem, folder = fs.FileSystem.from_uri(storage)
    return filesystem, f"{folder}/{name}"
