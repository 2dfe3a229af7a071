"""Which images are meant, and what their results are called. Looks at names only."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.schema import DataError

SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Job:
    """One image and its result's path below masks/ and overlays/."""

    image: Path
    name: Path


@dataclass(frozen=True)
class Inputs:
    """Jobs in the order of their names. left_out: files of a folder that are neither jpg nor png."""

    jobs: tuple[Job, ...]
    left_out: int


def gather(text: str, *, out: Path) -> Inputs:
    """An image file, a folder or a pattern → jobs; what lies in `out` is a result, not an input.

    Raises DataError where there is no image."""
    path = Path(text)
    if path.is_file():
        return Inputs(_jobs([path], path.parent), 0)
    if path.is_dir():
        files = _outside([file for file in path.rglob("*") if file.is_file()], out)
        images = [file for file in files if file.suffix.lower() in SUFFIXES]
        if not images:
            raise DataError(f"no jpg or png in {path}, at any depth. Name another folder, or a pattern in quotes.")
        return Inputs(_jobs(images, path), len(files) - len(images))
    if not glob.has_magic(text):
        raise DataError(f"no file and no folder {path}. Name an image, a folder of images, or a pattern in quotes.")
    files = _outside([Path(name) for name in glob.glob(text, recursive=True) if Path(name).is_file()], out)
    if not files:
        raise DataError(f"no file matches '{text}'. ** stands for folders at any depth, as in 'photos/**/*.jpg'.")
    return Inputs(_jobs(files, _fixed_part(path)), 0)


def result_names(relative: Sequence[Path]) -> list[Path]:
    """a/b.jpg → a/b.png. Where two would get one name they keep their suffix: a/b.jpg.png and a/b.jpeg.png."""
    full: set[Path] = set()
    while True:
        names = [p.with_name(p.name + ".png") if p in full else p.with_name(p.stem + ".png") for p in relative]
        count = Counter(names)
        clashing = {path for path, name in zip(relative, names, strict=True) if count[name] > 1} - full
        if not clashing:
            return names
        full |= clashing


def _jobs(files: Sequence[Path], root: Path) -> tuple[Job, ...]:
    files = sorted(set(files))
    names = result_names([file.relative_to(root) for file in files])
    return tuple(Job(file, name) for file, name in zip(files, names, strict=True))


def _outside(files: Sequence[Path], out: Path) -> list[Path]:
    made = [(out / name).resolve() for name in ("masks", "overlays")]
    return [file for file in files if not any(file.resolve().is_relative_to(folder) for folder in made)]


def _fixed_part(pattern: Path) -> Path:
    """The folders of a pattern before its first wildcard."""
    fixed = Path()
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed
