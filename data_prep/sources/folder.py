"""Any folder of images and masks, matched by relative path without suffix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from data_prep.errors import UsageError
from data_prep.files import hash_order
from data_prep.schema import DataError
from data_prep.sources.listing import check_names, files_by_stem, parse_names, read_lines, require_folder, voc_palette
from data_prep.sources.raw import IMAGE_SUFFIXES, MASK_SUFFIXES, RawItem, RawSet, bad_item, file_item

SPLITS = ("train", "val", "test")
MASK_FOLDERS = ("masks", "labels")


@dataclass(frozen=True)
class Folder:
    """Your own pictures: images/ and masks/ (or labels/), any depth, matched by name.

    Masks are index or palette PNGs (255 = void). Images without a mask are unlabelled."""

    raw: Path
    """The folder that holds images/ and masks/ (or labels/), with or without train/ and val/ below them."""
    classes: str = ""
    """Class names in order of their index, 'background,cat,dog'."""
    names: Path | None = None
    """Instead of --classes: a text file, one class name a line."""
    val_fraction: float = 0.2
    """Share of the labelled images that becomes val where there is no images/val; 0 makes none."""
    seed: int = 0
    """Another seed draws another val."""

    def open(self) -> RawSet:
        classes = self._classes()
        if not 0 <= self.val_fraction < 1:
            raise UsageError(f"--val-fraction {self.val_fraction}: choose 0 to below 1.")
        require_folder(self.raw, "the raw folder")
        images = require_folder(self.raw / "images", "the images")
        present = [split for split in SPLITS if (images / split).is_dir()]
        whole = "train" not in present  # the pictures lie in images/ itself, not in images/train
        found = {"train": self._items("")} if whole else {split: self._items(split) for split in present}
        if "val" not in found:
            found |= self._divided(found["train"])
        return RawSet(
            name="folder",
            classes=classes,
            palette=voc_palette(len(classes)),
            licence="Unknown: the data's owner decides.",
            splits={split: [entry.item for entry in entries] for split, entries in found.items()},
            label_table={index: index for index in range(len(classes))},
            options={"val_fraction": self.val_fraction, "seed": self.seed} if "val" not in present else {},
        )

    def _classes(self) -> tuple[str, ...]:
        if self.names is not None and self.classes:
            raise UsageError("--names and --classes were both given: keep one.")
        if self.names is not None:
            return check_names(read_lines(self.names))
        if not self.classes:
            raise UsageError("class names are missing: give --classes background,cat,dog or --names names.txt.")
        return parse_names(self.classes)

    def _items(self, split: str) -> list[_Found]:
        """Everything below images/SPLIT and masks/SPLIT, by name."""
        images, doubled = files_by_stem(self.raw / "images" / split, IMAGE_SUFFIXES)
        masks, extra = files_by_stem(self._mask_folder() / split, MASK_SUFFIXES)
        if not images:
            raise DataError(
                f"no images in {self.raw / 'images' / split}. Put files there ({', '.join(IMAGE_SUFFIXES)}), "
                "or remove the empty folder."
            )
        if masks and not images.keys() & masks.keys():
            raise DataError(
                f"no mask in {self._mask_folder() / split} has the name of an image: the first image is "
                f"'{min(images)}', the first mask '{min(masks)}'. Names must be equal but for the suffix."
            )
        twice = "a second file of the same name"
        found = [_Found(False, bad_item(self.raw, name, path, twice)) for name, path in doubled + extra]
        for name in sorted(images.keys() | masks.keys()):
            if name in images:
                found.append(_Found(name in masks, file_item(self.raw, name, images[name], masks.get(name))))
            else:
                found.append(_Found(False, bad_item(self.raw, name, masks[name], "mask without an image")))
        return found

    def _mask_folder(self) -> Path:
        folders = [self.raw / name for name in MASK_FOLDERS if (self.raw / name).is_dir()]
        if len(folders) == 1:
            return folders[0]
        found = "both" if folders else "neither"
        raise DataError(f"one folder of masks is needed in {self.raw}, masks/ or labels/; {found} found. Keep one.")

    def _divided(self, found: list[_Found]) -> dict[str, list[_Found]]:
        """No val folder: the labelled images with the smallest hashes of (seed, id) become val."""
        labelled = sorted((f.item.id for f in found if f.labelled), key=lambda name: hash_order(self.seed, name))
        count = math.floor(self.val_fraction * len(labelled) + 0.5)
        if self.val_fraction > 0 and not 0 < count < len(labelled):
            raise DataError(
                f"--val-fraction {self.val_fraction} of {len(labelled)} labelled images makes {count} val images. "
                "Choose another fraction, 0 for no val split, or sort the images into images/train and images/val."
            )
        chosen = set(labelled[:count])
        val = [entry for entry in found if entry.labelled and entry.item.id in chosen]
        train = [entry for entry in found if not (entry.labelled and entry.item.id in chosen)]
        return {"train": train, "val": val} if val else {"train": train}


class _Found(NamedTuple):
    labelled: bool
    item: RawItem
