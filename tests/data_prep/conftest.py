"""Small raw folders and prepared sets, made in temporary folders."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep.options import WriteOptions
from data_prep.prepare import Prepared, prepare
from data_prep.sources.camvid import Camvid
from data_prep.sources.folder import Folder
from data_prep.sources.scenes import Scenes
from data_prep.sources.voc import Voc


def silent(line: str) -> None:
    del line


class Draw:
    """Pictures and masks of 24 x 32 pixels, as arrays, bytes and files."""

    @staticmethod
    def picture(seed: int, height: int = 24, width: int = 32) -> np.ndarray:
        """Smooth random RGB."""
        small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
        return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR))

    @classmethod
    def textured(cls, seed: int, height: int, width: int) -> np.ndarray:
        """Random RGB with detail at every scale, the finer the fainter, as photographs have."""
        rng, total = np.random.default_rng(seed), np.zeros((height, width, 3))
        for cells in (2, 4, 8, 16, 32):
            noise = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
            total += np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)) / cells
        return np.rint(total / total.max() * 255).astype(np.uint8)

    @staticmethod
    def labels(seed: int, classes: int) -> np.ndarray:
        """Blocks of label values below `classes`, with a void corner."""
        blocks = np.random.default_rng(1000 + seed).integers(0, classes, (3, 4), dtype=np.uint8)
        mask = np.kron(blocks, np.ones((8, 8), np.uint8))
        mask[:2, :2] = 255
        return mask

    @staticmethod
    def encoded(array: np.ndarray, kind: str, **options: object) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(array).save(stream, kind, **options)
        return stream.getvalue()

    @staticmethod
    def palette_png(indices: np.ndarray) -> bytes:
        """A palette PNG whose colours are far from its indices."""
        image = Image.fromarray(indices).convert("L")
        image = Image.frombytes("P", image.size, image.tobytes())
        image.putpalette([(37 * value + 11) % 256 for value in range(768)])
        stream = io.BytesIO()
        image.save(stream, "PNG")
        return stream.getvalue()

    @classmethod
    def save(cls, path: Path, content: np.ndarray | bytes) -> Path:
        """An array goes to the format of the suffix, bytes go as they are."""
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF"}.get(path.suffix, "")
        path.write_bytes(content if isinstance(content, bytes) else cls.encoded(content, kind))
        return path


@pytest.fixture
def draw() -> type[Draw]:
    return Draw


@pytest.fixture
def raw_folder(tmp_path: Path) -> Path:
    """images/ and masks/ with 10 labelled images of 3 classes (a to j) and 2 unlabelled ones (y, z)."""
    raw = tmp_path / "raw"
    for index, name in enumerate("abcdefghij"):
        Draw.save(raw / "images" / f"{name}.jpg", Draw.picture(index))
        Draw.save(raw / "masks" / f"{name}.png", Draw.labels(index, 3))
    for index, name in enumerate("yz"):
        Draw.save(raw / "images" / f"{name}.jpg", Draw.picture(50 + index))
    return raw


@pytest.fixture
def prepare_folder(tmp_path: Path) -> Callable[..., Prepared]:
    """Prepare a raw folder of the classes a, b, c into tmp_path/out; keywords go to WriteOptions."""

    def run(raw: Path, out: str = "out", val_fraction: float = 0.2, **options: object) -> Prepared:
        source = Folder(raw, classes="a,b,c", val_fraction=val_fraction)
        return prepare(source.open(), WriteOptions(tmp_path / out, **options), silent)  # type: ignore[arg-type]

    return run


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """A prepared set of 24 + 8 scenes."""
    out = tmp_path / "scenes"
    prepare(Scenes(size=32, train=24, val=8).open(), WriteOptions(out), silent)
    return out


@pytest.fixture(scope="session")
def real_voc(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The true VOC subset, prepared once with all 21 classes."""
    out = tmp_path_factory.mktemp("voc")
    prepare(Voc(real_data / "voc_subset").open(), WriteOptions(out), silent)
    return out


@pytest.fixture(scope="session")
def real_camvid(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The true CamVid, prepared once."""
    out = tmp_path_factory.mktemp("camvid")
    prepare(Camvid(real_data / "camvid").open(), WriteOptions(out), silent)
    return out
