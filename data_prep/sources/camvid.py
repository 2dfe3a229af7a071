"""CamVid in the SegNet protocol: 11 classes, images/{train,val}/NAME.jpg and labels/{train,val}/NAME.png."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data_prep.schema import DataError
from data_prep.sources.listing import files_by_stem, require_folder
from data_prep.sources.raw import IMAGE_SUFFIXES, Colour, RawItem, RawSet, bad_item, file_item

PALETTE: dict[str, Colour] = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (60, 40, 222),
    "tree": (128, 128, 0),
    "sign": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}
LICENCE = (
    "CamVid: Brostow, Fauqueur, Cipolla, Pattern Recognition Letters 2009. The SegNet copy is CC BY-NC 4.0: "
    "personal and research use only."
)


@dataclass(frozen=True)
class Camvid:
    """CamVid, 11 classes (SegNet protocol): images/{train,val}/*.jpg, labels/{train,val}/*.png."""

    raw: Path
    """The folder that holds images/ and labels/."""

    def open(self) -> RawSet:
        require_folder(self.raw, "the CamVid folder")
        return RawSet(
            name="camvid",
            classes=tuple(PALETTE),
            palette=tuple(PALETTE.values()),
            licence=LICENCE,
            splits={split: self._items(split) for split in ("train", "val")},
            label_table={index: index for index in range(len(PALETTE))},
            options={},
        )

    def _items(self, split: str) -> list[RawItem]:
        image_folder = require_folder(self.raw / "images" / split, f"CamVid's {split} images")
        label_folder = require_folder(self.raw / "labels" / split, f"CamVid's {split} labels")
        images, doubled = files_by_stem(image_folder, IMAGE_SUFFIXES)
        labels, _ = files_by_stem(label_folder, (".png",))
        if not images:
            raise DataError(f"no images in {image_folder}. Put NAME.jpg files there.")
        items = [bad_item(self.raw, name, path, "a second image of the same name") for name, path in doubled]
        for name in sorted(images.keys() | labels.keys()):
            if name not in labels:
                items.append(bad_item(self.raw, name, images[name], f"no mask labels/{split}/{name}.png"))
            elif name not in images:
                items.append(bad_item(self.raw, name, labels[name], "mask without an image"))
            else:
                items.append(file_item(self.raw, name, images[name], labels[name]))
        return items
