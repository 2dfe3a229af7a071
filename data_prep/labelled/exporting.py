"""A labelled split as the lists that other projects read.

ids        FILE: the labelled ids, one a line
pseudoseg  the same for VOC, as PseudoSeg's own lists
ctt        FILE: all ids of train, the labelled ones first; the reader is told their number, as CTT's orders of VOC are read
u2pl       FOLDER: labeled.txt and unlabeled.txt (also GTA-Seg); ids of VOC, image paths of Cityscapes
unimatch   FOLDER: the same two files, 'image mask' in a line
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_prep.errors import UsageError
from data_prep.files import write_whole
from data_prep.labelled.importing import LABELLED_FILE
from data_prep.labelled.pool import usable_masks
from data_prep.schema import DataError, Manifest, load_labelled_split, load_manifest

Format = Literal["ids", "ctt", "pseudoseg", "u2pl", "unimatch"]
Line = Callable[[str], str]

UNLABELLED_FILE = "unlabeled.txt"


def _itself(name: str) -> str:
    return name


def _cityscapes_image(name: str) -> str:
    return f"leftImg8bit/train/{name.partition('_')[0]}/{name}_leftImg8bit.png"


def _cityscapes_pair(name: str) -> str:
    return f"{_cityscapes_image(name)} gtFine/train/{name.partition('_')[0]}/{name}_gtFine_labelTrainIds.png"


def _voc_pair(name: str) -> str:
    return f"JPEGImages/{name}.jpg SegmentationClass/{name}.png"


LINES: dict[str, dict[str, Line]] = {  # format → source → line of an id; other sources have no published lists
    "pseudoseg": {"voc": _itself},
    "u2pl": {"voc": _itself, "cityscapes": _cityscapes_image},
    "unimatch": {"voc": _voc_pair, "cityscapes": _cityscapes_pair},
}
FOLDERS = ("u2pl", "unimatch")


@dataclass(frozen=True)
class Exported:
    """What was written, and the options of `split` that read it again."""

    files: tuple[Path, ...]
    labelled: int
    unlabelled: int
    read_again: str


def export_split(data: Path, name: str, kind: Format, out: Path) -> Exported:
    """Write the split as lists of another project; importing them gives the same ids. Raises UsageError, DataError."""
    manifest = load_manifest(data)
    split = load_labelled_split(data, name)
    if split.data_hash != manifest.content_hash:
        raise DataError(f"split '{name}' belongs to another data set: make it again, then export it.")
    line = _line(kind, manifest)
    _, rows = usable_masks(data, manifest)
    labelled = set(split.ids)
    rest = [row for row in rows if row not in labelled]
    _refuse_unreadable(rows)
    if kind in FOLDERS:
        files = (out / LABELLED_FILE, out / UNLABELLED_FILE)
        _write(files[0], map(line, split.ids))
        _write(files[1], map(line, rest))
        return Exported(files, len(labelled), len(rest), f"--ids {out}")
    if out.is_dir():
        raise UsageError(f"--out {out} is a folder: {kind} is one file, name it.")
    _write(out, [line(row) for row in (*split.ids, *(rest if kind == "ctt" else ()))])
    first = f" --labelled {len(labelled)}" if kind == "ctt" else ""
    return Exported((out,), len(labelled), len(rest), f"--ids {out}{first}")


def _line(kind: Format, manifest: Manifest) -> Line:
    if kind not in LINES:
        return _itself
    if manifest.source not in LINES[kind]:
        known = " and ".join(LINES[kind])
        raise UsageError(
            f"--format {kind}: its lists are known for {known}, these data are '{manifest.source}'. Use ids or ctt."
        )
    if manifest.source == "cityscapes" and manifest.options.get("extra"):
        raise UsageError(f"--format {kind}: its lists know no train_extra, which these data hold. Use ids or ctt.")
    return LINES[kind][manifest.source]


def _refuse_unreadable(rows: Sequence[str]) -> None:
    """An id with a line break or a blank at its end is another one when it is read from a list."""
    for row in rows:
        if row.strip().splitlines() != [row]:
            raise DataError(
                f"the id {row!r} does not fit into a line of a list: rename the file and prepare the data again."
            )


def _write(path: Path, lines: Iterable[str]) -> None:
    write_whole(path, "".join(f"{line}\n" for line in lines))
