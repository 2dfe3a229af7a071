"""Any folder of images and masks, matched by relative path without suffix or paired by a list."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import tyro

from data_prep.errors import UsageError
from data_prep.files import hash_order
from data_prep.schema import DataError
from data_prep.sources.colours import ColourTable, read_colours
from data_prep.sources.listing import files_by_stem, named_classes, require_folder, voc_palette
from data_prep.sources.pairs import SPLITS, Pair, read_pairs
from data_prep.sources.raw import IMAGE_SUFFIXES, MASK_SUFFIXES, RawItem, RawSet, bad_item, file_item

MASK_FOLDERS = ("masks", "labels")


@dataclass(frozen=True)
class Folder:
    """Your own pictures: images/ and masks/ (or labels/), any depth, matched by name.

    Masks are index or palette PNGs (255 = void), or with --colours colour pictures. Images without a mask are unlabelled."""

    raw: Path
    """The folder that holds images/ and masks/ (or labels/), with or without train/ and val/ below them."""
    pairs: Annotated[Path | None, tyro.conf.arg(name="list")] = None
    """Instead of matching names: a CSV or JSONL file with image, mask and split; paths relative to --raw."""
    classes: str = ""
    """Class names in order of their index, 'background,cat,dog'."""
    names: Path | None = None
    """Instead of --classes: a text file, one class name a line."""
    colours: Path | None = None
    """Instead of --classes, for masks that are colour pictures: lines 'name,r,g,b'; the name void is no class."""
    val_fraction: float = 0.2
    """Share of the labelled images that becomes val where there is no images/val; 0 makes none."""
    seed: int = 0
    """Another seed draws another val."""

    def open(self) -> RawSet:
        classes, table = self._classes()
        if not 0 <= self.val_fraction < 1:
            raise UsageError(f"--val-fraction {self.val_fraction}: choose 0 to below 1.")
        require_folder(self.raw, "the raw folder")
        found = self._walked() if self.pairs is None else self._listed(read_pairs(self.pairs))
        options: dict[str, object] = {}
        if "val" not in found:
            found |= self._divided(found["train"])
            options = {"val_fraction": self.val_fraction, "seed": self.seed}
        if table is not None:
            options["colours"] = table.lines()
        return RawSet(
            name="folder",
            classes=classes,
            palette=voc_palette(len(classes)) if table is None else table.palette,
            licence="Unknown: the data's owner decides.",
            splits={split: [entry.item for entry in entries] for split, entries in found.items()},
            label_table={index: index for index in range(len(classes))},
            options=options,
            notes=() if table is None else ("colours of the masks:", *table.lines()),
            colours=None if table is None else table.train_ids,
        )

    def _classes(self) -> tuple[tuple[str, ...], ColourTable | None]:
        if (self.names is not None) + (self.colours is not None) + bool(self.classes) > 1:
            raise UsageError("two of --classes, --names and --colours were given: keep one.")
        if self.colours is not None:
            table = read_colours(self.colours)
            return table.classes, table
        return named_classes(self.classes, self.names), None

    def _walked(self) -> dict[str, list[_Found]]:
        """The splits there are below images/; without images/train all of it is train."""
        images = require_folder(self.raw / "images", "the images")
        present = [split for split in SPLITS if (images / split).is_dir()]
        if "train" not in present:
            return {"train": self._items("")}
        return {split: self._items(split) for split in present}

    def _listed(self, pairs: list[Pair]) -> dict[str, list[_Found]]:
        """The splits of a list."""
        found: dict[str, list[_Found]] = {}
        taken: set[tuple[str, str]] = set()
        for pair in pairs:
            key = (pair.split, pair.image.with_suffix("").as_posix())
            found.setdefault(pair.split, []).append(self._entry(pair, key[1], twice=key in taken))
            taken.add(key)
        if "train" not in found:
            raise DataError(f"no line of {self.pairs} is of train, only of {', '.join(found)}. Add training images.")
        return {split: found[split] for split in SPLITS if split in found}

    def _entry(self, pair: Pair, name: str, *, twice: bool) -> _Found:
        """One line's item: a bad one where a file is not there, or where the image's name came before in the split."""
        image, mask = self.raw / pair.image, None if pair.mask is None else self.raw / pair.mask
        absent = next((path for path in (image, mask) if path is not None and not path.is_file()), None)
        if twice:
            return _Found(False, bad_item(self.raw, name, image, "listed twice, or a second file of the same name"))
        if absent is not None:
            return _Found(False, bad_item(self.raw, name, absent, "listed, but there is no such file"))
        return _Found(mask is not None, file_item(self.raw, name, image, mask))

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
                "Choose another fraction, 0 for no val split, or say which are val: by images/train and images/val, or in --list."
            )
        chosen = set(labelled[:count])
        val = [entry for entry in found if entry.labelled and entry.item.id in chosen]
        train = [entry for entry in found if not (entry.labelled and entry.item.id in chosen)]
        return {"train": train, "val": val} if val else {"train": train}


class _Found(NamedTuple):
    labelled: bool
    item: RawItem
