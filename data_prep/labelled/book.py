"""Records of labelled splits: splits/NAME.json, whose hash covers the ids and the data set they belong to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from data_prep.console import Say
from data_prep.errors import UsageError
from data_prep.files import hash_json, write_whole
from data_prep.labelled.coverage import ClassCover, MadeSplit
from data_prep.labelled.pool import Present, count_pixels, images_per_class, usable_masks
from data_prep.schema import DataError, LabelledSplit, Manifest, load_labelled_split, load_manifest


def silent(line: str) -> None:
    """Says nothing."""
    del line


class Book:
    """A data set in which labelled splits are written."""

    def __init__(self, data: Path, say: Say) -> None:
        self.data, self.say = data, say
        self.manifest = load_manifest(data)
        self.present, self.rows = usable_masks(data, self.manifest)
        self.train_pixels = self.manifest.splits["train"].pixels

    def inside(self, name: str) -> Present:
        """What can be chosen: everything, or the images of another split."""
        if not name:
            return self.present
        outer = load_labelled_split(self.data, name)
        if outer.data_hash != self.manifest.content_hash:
            raise DataError(f"split '{name}' belongs to another data set: make it again.")
        return {image: self.present[image] for image in outer.ids}

    def write(self, name: str, ids: Sequence[str], rule: str, seed: int | None, notes: Sequence[str]) -> MadeSplit:
        """Write splits/NAME.json and fill the coverage table."""
        _check_name(name)
        split = labelled_split(name, ids, rule, seed, self.present, self.manifest)
        cover = self._cover(split)
        path = self.data / "splits" / f"{name}.json"
        said = [*notes, *self._replaced(split)]
        if missing := [entry.name for entry in cover if not entry.covered]:
            said.append(f"not covered: {', '.join(missing)}. Label more images, or choose other ones with --seed.")
        write_whole(path, json.dumps(asdict(split), indent=1, sort_keys=True) + "\n")
        return MadeSplit(split, path, cover, len(self.rows), tuple(said))

    def _cover(self, split: LabelledSplit) -> tuple[ClassCover, ...]:
        pixels = count_pixels(self.data, self.manifest, split.ids, self.say)
        columns = zip(
            self.manifest.classes,
            split.images_per_class,
            images_per_class(self.present, self.present, len(self.manifest.classes)),
            np.sum(list(pixels.values()), axis=0).tolist(),
            self.train_pixels,
            strict=True,
        )
        return tuple(ClassCover(*column) for column in columns)

    def _replaced(self, split: LabelledSplit) -> list[str]:
        try:
            before = load_labelled_split(self.data, split.name)
        except DataError:
            return []
        if before.data_hash != split.data_hash or before.ids == split.ids:
            return []
        return [f"replaced '{split.name}', which named other images ({before.rule})."]


def labelled_split(
    name: str, ids: Sequence[str], rule: str, seed: int | None, present: Present, manifest: Manifest
) -> LabelledSplit:
    """The record of a choice; its content hash covers the ids and the data set they belong to."""
    return LabelledSplit(
        name=name,
        ids=tuple(ids),
        rule=rule,
        seed=seed,
        images_per_class=images_per_class(ids, present, len(manifest.classes)),
        data_hash=manifest.content_hash,
        content_hash=split_hash(ids, manifest.content_hash),
    )


def split_hash(ids: Sequence[str], data_hash: str) -> str:
    """sha256 over the data set's hash and the ids."""
    return hash_json([data_hash, list(ids)])


def _check_name(name: str) -> None:
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name.startswith("."):
        raise UsageError(f"--name '{name}' cannot be a file name: use letters, digits, '-', '_' and '.'.")
