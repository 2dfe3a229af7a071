"""Cityscapes, fine annotations: leftImg8bit/SPLIT/CITY/…_leftImg8bit.png with gtFine/SPLIT/CITY/…_gtFine_….png."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from data_prep.errors import UsageError
from data_prep.schema import VOID, DataError
from data_prep.sources.listing import files_by_ending, require_folder
from data_prep.sources.raw import Colour, RawItem, RawSet, bad_item, file_item

PALETTE: dict[str, Colour] = {  # the 19 classes that are scored, in the order of their train ids
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}
LABEL_IDS = (  # what the values 0 to 33 of a labelIds mask mean; those that are no class above are void
    "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "road", "sidewalk",
    "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel", "pole", "polegroup",
    "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "caravan",
    "trailer", "train", "motorcycle", "bicycle",
)  # fmt: skip
LICENCE = (
    "Cityscapes: Cordts et al., CVPR 2016. Its own licence: non-commercial use (research, teaching, experiments); "
    "the data may not be passed on. cityscapes-dataset.com/license"
)
IMAGE_ENDING = "_leftImg8bit.png"
Kind = Literal["auto", "labelIds", "labelTrainIds"]
KINDS = ("labelIds", "labelTrainIds")  # in the order of preference: the first comes with the download


@dataclass(frozen=True)
class Cityscapes:
    """Cityscapes, 19 classes: leftImg8bit/{train,val,test}/CITY/ with gtFine/{train,val}/CITY/.

    Masks of label ids (0 to 33) or of train ids (0 to 18); polygons are not needed, test masks are not read."""

    raw: Path
    """The folder that holds leftImg8bit/ and gtFine/."""
    masks: Kind = "auto"
    """Which masks of gtFine to read; auto: labelIds where there are any, otherwise labelTrainIds."""
    extra: bool = False
    """Add the images of leftImg8bit/train_extra to train, unlabelled."""
    test: bool = True
    """Take leftImg8bit/test along as an unlabelled split where it is present."""

    def open(self) -> RawSet:
        if self.masks not in get_args(Kind):
            raise UsageError(f"--masks {self.masks}: choose one of {', '.join(get_args(Kind))}.")
        require_folder(self.raw, "the Cityscapes folder")
        kind = self._kind()
        splits = {split: self._masked(split, kind) for split in ("train", "val")}
        if self.extra:
            splits["train"] += self._bare("train_extra")
        if self.test and (self.raw / "leftImg8bit" / "test").is_dir():
            splits["test"] = self._bare("test")
        return RawSet(
            name="cityscapes",
            classes=tuple(PALETTE),
            palette=tuple(PALETTE.values()),
            licence=LICENCE,
            splits=splits,
            label_table=label_table(kind),
            options={"extra": self.extra},
            notes=tuple(self._notes(kind)),
        )

    def _kind(self) -> str:
        """The kind of mask that is read: one for the whole set, since the same value means two things in the two."""
        folder = require_folder(self.raw / "gtFine", "Cityscapes' fine annotations")
        wanted = KINDS if self.masks == "auto" else (self.masks,)
        for kind in wanted:
            if next((folder / "train").rglob(f"*{_ending(kind)}"), None) is not None:
                return kind
        names = " or ".join(f"CITY/NAME{_ending(kind)}" for kind in wanted)
        raise DataError(f"no masks in {folder / 'train'}: {names} is needed. Unpack gtFine_trainvaltest.zip there.")

    def _masked(self, split: str, kind: str) -> list[RawItem]:
        """Every image with its mask; what lacks one of the two is a bad item."""
        images, items = self._images(split)
        folder = require_folder(self.raw / "gtFine" / split, f"Cityscapes' {split} masks")
        masks, _ = files_by_ending(folder, _ending(kind))
        for name in sorted(images.keys() | masks.keys()):
            if name not in images:
                items.append(bad_item(self.raw, name, masks[name], "mask without an image"))
            elif name not in masks:
                wanted = folder / images[name].parent.name / (name + _ending(kind))
                reason = f"no mask {wanted.relative_to(self.raw).as_posix()}"
                items.append(bad_item(self.raw, name, images[name], reason))
            else:
                items.append(file_item(self.raw, name, images[name], masks[name]))
        return items

    def _bare(self, split: str) -> list[RawItem]:
        """The images alone: train_extra has no fine masks, and those of test hold nothing but void."""
        images, items = self._images(split)
        return items + [file_item(self.raw, name, path, None) for name, path in images.items()]

    def _images(self, split: str) -> tuple[dict[str, Path], list[RawItem]]:
        """Name → image, and a bad item for each second image of a name."""
        folder = require_folder(self.raw / "leftImg8bit" / split, f"Cityscapes' {split} images")
        images, doubled = files_by_ending(folder, IMAGE_ENDING)
        if not images:
            raise DataError(f"no images in {folder}. Put CITY/NAME{IMAGE_ENDING} files there.")
        return images, [bad_item(self.raw, name, path, "a second image of the same name") for name, path in doubled]

    def _notes(self, kind: str) -> list[str]:
        notes = [f"masks: {kind}"]
        if not self.extra and (self.raw / "leftImg8bit" / "train_extra").is_dir():
            notes.append("train_extra is left out; --extra adds its images to train, unlabelled")
        return notes


def label_table(kind: str) -> dict[int, int]:
    """Mask value → train id, 255 for what is not scored; for labelIds (0 to 33) or labelTrainIds (0 to 18)."""
    if kind == "labelTrainIds":
        return {index: index for index in range(len(PALETTE))}
    train_ids = {name: index for index, name in enumerate(PALETTE)}
    return {raw: train_ids.get(name, VOID) for raw, name in enumerate(LABEL_IDS)}


def _ending(kind: str) -> str:
    return f"_gtFine_{kind}.png"
