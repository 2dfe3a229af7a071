"""PASCAL VOC 2012 in its own layout, with SBD's SegmentationClassAug and train_aug list where they are present."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data_prep import download
from data_prep.errors import UsageError
from data_prep.schema import VOID, DataError
from data_prep.sources.listing import nearest, parse_names, read_lines, require_folder, voc_palette
from data_prep.sources.raw import RawItem, RawSet, bad_item, file_item

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
LICENCE = (
    "PASCAL VOC 2012 (Everingham et al.; Flickr terms of use). Augmented masks: SBD, Hariharan et al., ICCV 2011. "
    "Research use."
)
LISTS = Path("ImageSets") / "Segmentation"
OFFICIAL, AUGMENTED = "SegmentationClass", "SegmentationClassAug"
AUG_LISTS = ("train_aug.txt", "trainaug.txt")


@dataclass(frozen=True)
class Voc:
    """PASCAL VOC 2012 (VOCdevkit layout), with SBD's augmented masks where they are present."""

    raw: Path
    """VOC2012, VOCdevkit or the folder that holds VOCdevkit."""
    aug: bool = True
    """Use SegmentationClassAug and train_aug.txt where both are present."""
    classes: str = ""
    """Keep these classes, in this order ('background,cat,dog'); pixels of the others become void."""
    unlabelled_without_mask: bool = False
    """A train id without a mask file is an unlabelled image; otherwise it is quarantined."""
    download: bool = False
    """Fetch VOC 2012 (2 GB, without SBD) into --raw first, by torchvision's downloader."""

    def open(self) -> RawSet:
        if self.download:
            download.voc(self.raw)
        root = find_root(self.raw)
        kept = self._kept()
        aug_list = next((path for name in AUG_LISTS if (path := root / LISTS / name).is_file()), None)
        aug = self.aug and aug_list is not None and (root / AUGMENTED).is_dir()
        train_list = aug_list if aug and aug_list else root / LISTS / "train.txt"
        train, val = read_lines(train_list), read_lines(root / LISTS / "val.txt")
        if shared := sorted(set(train) & set(val)):
            raise DataError(
                f"{len(shared)} ids are both in {train_list.name} and in val.txt, the first is {shared[0]}: "
                "validation images must not be trained on. Remove them from one list."
            )
        return RawSet(
            name="voc",
            classes=kept,
            palette=tuple(voc_palette(len(CLASSES))[CLASSES.index(name)] for name in kept),
            licence=LICENCE,
            splits={
                "train": self._items(root, train, (AUGMENTED, OFFICIAL) if aug else (OFFICIAL,), train=True),
                "val": self._items(root, val, (OFFICIAL, AUGMENTED), train=False),
            },
            label_table={raw: kept.index(name) if name in kept else VOID for raw, name in enumerate(CLASSES)},
            options={"aug": aug, "classes": list(kept), "unlabelled_without_mask": self.unlabelled_without_mask},
            notes=(f"train ids from {train_list.name}, masks from {AUGMENTED if aug else OFFICIAL}",),
        )

    def _kept(self) -> tuple[str, ...]:
        if not self.classes:
            return CLASSES
        kept = parse_names(self.classes)
        for name in kept:
            if name not in CLASSES:
                raise UsageError(f"VOC has no class '{name}'.{nearest(name, CLASSES)} It has: {', '.join(CLASSES)}.")
        return kept

    def _items(self, root: Path, ids: list[str], folders: tuple[str, ...], *, train: bool) -> list[RawItem]:
        """One item an id: its mask is the first that exists in the folders."""
        items = []
        for name in sorted(set(ids)):
            image = root / "JPEGImages" / f"{name}.jpg"
            mask = next((path for folder in folders if (path := root / folder / f"{name}.png").is_file()), None)
            if mask is None and not (train and self.unlabelled_without_mask):
                items.append(bad_item(root, name, image, f"no mask {folders[0]}/{name}.png"))
            else:
                items.append(file_item(root, name, image, mask))
        return items


def find_root(raw: Path) -> Path:
    """The VOC2012 folder in or below raw. Raises DataError saying where it looked."""
    require_folder(raw, "the VOC folder")
    for root in (raw, raw / "VOC2012", raw / "VOCdevkit" / "VOC2012"):
        if (root / LISTS).is_dir():
            return root
    found = ", ".join(sorted(p.name for p in raw.iterdir())[:8]) or "nothing"
    raise DataError(
        f"no VOC 2012 in {raw}: {LISTS} is not in it, in VOC2012/ or in VOCdevkit/VOC2012/. It holds: {found}. "
        "Unpack VOCtrainval_11-May-2012.tar and name the folder that holds VOCdevkit."
    )
