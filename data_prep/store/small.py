"""The small text files of a data set, in a folder or in a store."""

from __future__ import annotations

from pathlib import Path

from data_prep.store.patience import Patience
from data_prep.store.place import Place, as_folder, is_url


def read(data: str | Path, name: str, *, wait: bool = True) -> bytes | None:
    """A file of the data set; None where there is none. wait: for a store that fails. Raises DataError for one that stays so."""
    if is_url(data):
        try:
            return Place(str(data), Patience.usual() if wait else Patience(wait_s=0.0)).read(name)
        except FileNotFoundError:
            return None
    path = as_folder(data) / name
    return path.read_bytes() if path.is_file() else None


def names(data: str | Path, folder: str) -> list[str]:
    """Names of the files in one of its folders, sorted; a web server tells none."""
    if is_url(data):
        return Place(str(data)).names(folder)
    return sorted(path.name for path in (as_folder(data) / folder).glob("*") if path.is_file())


def shown(data: str | Path, name: str) -> str:
    """A file of the data set, for messages."""
    return Place(str(data)).of(name) if is_url(data) else str(as_folder(data) / name)
