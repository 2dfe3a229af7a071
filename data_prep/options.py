"""The options of the commands that are not a source's own. Light: the command line imports them for every --help."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import tyro

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # microseconds of CPU time in a period, or "max"


def cpus() -> int:
    """The CPUs that this process may use: those of its affinity, and in a container no more than its quota."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = QUOTA.read_text().split()
        return max(1, min(count, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup, or "max"
        return count


@dataclass(frozen=True)
class WriteOptions:
    """Where the result goes and how it is cut."""

    out: Path
    """The folder to write: shards, manifest.json, quarantine.csv."""
    short_side: int | None = None
    """Shrink images whose shorter side is longer than this (JPEG quality 95); default: keep the encoded bytes."""
    shard_mib: float = 64
    """Largest shard in MiB; a small split is cut into at least four."""
    strict: bool = False
    """Stop at the first bad file (exit 3) instead of writing it to quarantine.csv."""
    overwrite: bool = False
    """Replace another data set that is in the folder."""
    workers: int = field(default_factory=cpus)
    """Processes that read and decode, default: one a CPU; the result does not depend on it."""
    json: bool = False
    """Print the result as JSON."""


@dataclass(frozen=True)
class SplitOptions:
    """Choose which training images are labelled; the rest of train is unlabelled."""

    data: tyro.conf.Positional[Path]
    """A prepared data set."""
    labelled: str = ""
    """A fraction of the images with a mask (1/8, 0.125) or a count (40); with --ids: the first so many of the list."""
    ids: Path | None = None
    """Import a published list: one id (or image path) a line; or a folder with labeled.txt."""
    nested: str = ""
    """Several amounts at once, 1/16,1/8,1/4: each split lies inside the next larger one."""
    seed: int = 0
    """Another seed draws other images."""
    balance: Literal["none", "pixels", "equal"] = "none"
    """Once the classes are covered, choose so that their shares of the labelled pixels follow train's, or are equal."""
    group: str = ""
    """Label whole groups: folder, camvid, cityscapes, prefix:REGEX, run:N (N consecutive ids), or camvid,run:N."""
    inside: str = ""
    """Take the labelled images from those of this split."""
    export: str = ""
    """Instead of making a split, write this one as a list of another project: --format, --out."""
    format: Literal["ids", "ctt", "pseudoseg", "u2pl", "unimatch"] = "ids"
    """Of --export: ids (a file of labelled ids), ctt (a file: labelled ids first, then the rest), or a project's own lists."""
    out: Path | None = None
    """Of --export: the file to write, or for u2pl and unimatch the folder for labeled.txt and unlabeled.txt."""
    name: str = ""
    """Name of the split; default 1-8_s0, n40_s0 or the list's name, with balance, group and outer split in it."""
    json: bool = False
    """Print the result as JSON."""


@dataclass(frozen=True)
class VerifyOptions:
    """Read everything again and check it: hashes, pictures, sizes, label values, ids, split files."""

    data: tyro.conf.Positional[Path]
    """A prepared data set."""
    json: bool = False
    """Print the result as JSON."""


@dataclass(frozen=True)
class LeakOptions:
    """Compare the splits: equal images, images that look alike, drives or cities that lie in two. Writes leaks.json."""

    data: tyro.conf.Positional[Path]
    """A prepared data set."""
    near: int = 8
    """Bits of 64 up to which two pictures are called near."""
    group: str = ""
    """What lies together, as for split: folder, camvid, cityscapes, prefix:REGEX; default: the source's own, if it has one."""
    out: Path = Path("leaks.png")
    """The PNG of the most similar pairs to write."""
    strict: bool = False
    """Exit with 3 for near images, too, not for equal ones only."""
    json: bool = False
    """Print the result as JSON."""


@dataclass(frozen=True)
class ShowOptions:
    """A contact sheet of samples with their masks laid over, a plot of the classes, and their table."""

    data: tyro.conf.Positional[Path]
    """A prepared data set."""
    out: Path = Path("sheet.png")
    """The PNG to write; the plot of the classes goes beside it, to sheet_classes.png."""
    count: int = 12
    """Samples on the sheet, evenly spaced over the split."""
    split: str = "train"
    """Which split."""
    json: bool = False
    """Print the table as JSON."""


@dataclass(frozen=True)
class CardOptions:
    """A data set card in Markdown with a contact sheet and a plot of the classes."""

    data: tyro.conf.Positional[Path]
    """A prepared data set."""
    out: Path | None = None
    """The Markdown file to write; default DATA/CARD.md. The hub reads DATA/README.md."""
    json: bool = False
    """Print the names of the files as JSON."""
