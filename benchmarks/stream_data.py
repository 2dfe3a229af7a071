"""The data of benchmarks/stream.py: the same images as plain files, as Arrow shards and as Parquet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet
from PIL import Image

from ctt_ray.stream.decode import Pixels, decode_image, decode_mask
from ctt_ray.stream.views import ViewSpec, weak_view
from data_prep.painter import paint
from data_prep.prepare import WriteOptions, prepare
from data_prep.schema import VOID
from data_prep.sources.folder import Folder

CLASSES = 21
SIDES = 375, 500
QUALITY = 90
ROW_GROUP = 25  # of the Parquet file, about 2 MB


@dataclass(frozen=True)
class Set:
    files: list[tuple[Path, Path]]  # image and mask
    shards: Path
    parquet: Path
    what: str

    def in_memory(self) -> list[tuple[Pixels, Pixels]]:
        return [
            (np.frombuffer(image.read_bytes(), np.uint8), np.frombuffer(mask.read_bytes(), np.uint8))
            for image, mask in self.files
        ]


def ours(image: Pixels, mask: Pixels, spec: ViewSpec, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Decoded and cropped by the stream's own functions, one image after the other."""
    return weak_view(decode_image(image), decode_mask(mask, classes=CLASSES), spec, rng, fill_label=VOID)


def make(root: Path, voc: Path, images: int) -> Set:
    """Photographs of VOC where they are, else painted scenes of the same size as JPEG of the same kind."""
    raw = root / "raw"
    for folder in ("images", "masks"):
        (raw / folder).mkdir(parents=True)
    what = _from_voc(voc, raw, images) if voc.is_dir() else _painted(raw, images)
    names = ",".join(f"class{k}" for k in range(CLASSES))
    prepare(Folder(raw, classes=names, val_fraction=0).open(), WriteOptions(root / "shards"), lambda text: None)
    parquet = root / "data.parquet"
    tables = [pa.ipc.open_file(str(path)).read_all() for path in sorted((root / "shards").glob("train-*.arrow"))]
    pa.parquet.write_table(pa.concat_tables(tables), parquet, row_group_size=ROW_GROUP)
    files = [(path, raw / "masks" / f"{path.stem}.png") for path in sorted((raw / "images").iterdir())]
    size = np.mean([path.stat().st_size for path, _ in files]) / 1000
    return Set(files, root / "shards", parquet, f"{len(files)} {what}, {size:.0f} kB each")


def _from_voc(voc: Path, raw: Path, images: int) -> str:
    top = next(voc.rglob("SegmentationClassAug")).parent
    for mask in sorted((top / "SegmentationClassAug").glob("*.png"))[:images]:
        (raw / "images" / f"{mask.stem}.jpg").write_bytes((top / "JPEGImages" / f"{mask.stem}.jpg").read_bytes())
        Image.fromarray(np.array(Image.open(mask))).save(raw / "masks" / mask.name)  # palette → index
    return "photographs of VOC 2012 with masks"


def _painted(raw: Path, images: int) -> str:
    height, width = SIDES
    for number in range(images):
        image_HW3, mask_HW = paint(np.random.default_rng(number), width, star=number % 5 == 0)
        pixels = np.ascontiguousarray(image_HW3[:height, :, ::-1])
        cv2.imwrite(str(raw / "images" / f"{number:05d}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        cv2.imwrite(str(raw / "masks" / f"{number:05d}.png"), mask_HW[:height])
    return f"painted scenes of {width}x{height}, JPEG quality {QUALITY}, with masks"
