"""ADE20K as the scene parsing challenge of 2016 packs it: ADEChallengeData2016, 150 classes, value 0 = not one of them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from data_prep.schema import VOID, DataError
from data_prep.sources.listing import files_by_stem, read_lines, require_folder, voc_palette
from data_prep.sources.raw import IMAGE_SUFFIXES, RawItem, RawSet, bad_item, file_item

CLASSES = 150
LABEL_TABLE = {0: VOID} | {index + 1: index for index in range(CLASSES)}
NAMES_FILE = "objectInfo150.txt"
FOLDERS = {"train": "training", "val": "validation"}
LICENCE = (
    "ADE20K: Zhou et al., CVPR 2017. Annotations BSD-3-Clause; the images belong to their owners: "
    "non-commercial research and education."
)


@dataclass(frozen=True)
class Ade20k:
    """ADE20K, 150 classes (ADEChallengeData2016): images/{training,validation}, annotations/{training,validation}.

    Class names come from objectInfo150.txt where it is present, otherwise they are class_001 to class_150."""

    raw: Path
    """ADEChallengeData2016 or the folder that holds it."""

    def open(self) -> RawSet:
        root = find_root(self.raw)
        named = (root / NAMES_FILE).is_file()
        classes = class_names(root / NAMES_FILE) if named else numbered_names()
        return RawSet(
            name="ade20k",
            classes=classes,
            palette=voc_palette(CLASSES + 1)[1:],  # without the black of index 0
            licence=LICENCE,
            splits={split: self._items(root, folder) for split, folder in FOLDERS.items()},
            label_table=LABEL_TABLE,
            options={},
            notes=() if named else (f"no {NAMES_FILE} in {root}: classes are named class_001 to class_{CLASSES}",),
        )

    def _items(self, root: Path, folder: str) -> list[RawItem]:
        image_folder = require_folder(root / "images" / folder, f"ADE20K's {folder} images")
        mask_folder = require_folder(root / "annotations" / folder, f"ADE20K's {folder} annotations")
        images, doubled = files_by_stem(image_folder, IMAGE_SUFFIXES)
        masks, _ = files_by_stem(mask_folder, (".png",))
        if not images:
            raise DataError(f"no images in {image_folder}. Put NAME.jpg files there.")
        items = [bad_item(root, name, path, "a second image of the same name") for name, path in doubled]
        for name in sorted(images.keys() | masks.keys()):
            if name not in masks:
                items.append(bad_item(root, name, images[name], f"no mask annotations/{folder}/{name}.png"))
            elif name not in images:
                items.append(bad_item(root, name, masks[name], "mask without an image"))
            else:
                items.append(file_item(root, name, images[name], masks[name]))
        return items


def find_root(raw: Path) -> Path:
    """The folder with images/ and annotations/ in or below raw. Raises DataError saying where it looked."""
    require_folder(raw, "the ADE20K folder")
    for root in (raw, raw / "ADEChallengeData2016"):
        if (root / "images").is_dir() and (root / "annotations").is_dir():
            return root
    found = ", ".join(sorted(path.name for path in raw.iterdir())[:8]) or "nothing"
    raise DataError(
        f"no ADEChallengeData2016 in {raw}: images/ and annotations/ are not in it or in ADEChallengeData2016/. "
        f"It holds: {found}. Unpack ADEChallengeData2016.zip and name the folder; the full ADE20K has another layout."
    )


def class_names(file: Path) -> tuple[str, ...]:
    """The first synonym of each of the 150 lines; all synonyms where two classes begin alike. Raises DataError.

    The file has a header and tab-separated columns, of which the first is the index and the last the names."""
    rows = list(csv.reader(io.StringIO("\n".join(read_lines(file))), delimiter="\t", quoting=csv.QUOTE_NONE))
    entries = [(row[0].strip(), row[-1].strip()) for row in rows[1:]]
    wanted = [str(index + 1) for index in range(CLASSES)]
    if [index for index, _ in entries] != wanted or not all(names for _, names in entries):
        raise DataError(
            f"{file} does not name the classes 1 to {CLASSES} in order: {len(entries)} lines after the header were "
            "found. Take the file of the archive, or remove it: the classes are then numbered."
        )
    first = [names.split(",")[0].split(";")[0].strip() for _, names in entries]
    often = Counter(first)
    return tuple(short if often[short] == 1 else names for short, (_, names) in zip(first, entries, strict=True))


def numbered_names() -> tuple[str, ...]:
    """class_001 to class_150: the mask's own values."""
    return tuple(f"class_{index + 1:03d}" for index in range(CLASSES))
