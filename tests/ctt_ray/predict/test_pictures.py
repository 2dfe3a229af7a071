"""Any picture becomes RGB by one rule, and a mask's picture keeps its ids."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ctt_ray.predict.pictures import BadImage, index_png, overlay, read_rgb, shrunk
from data_prep.pictures import read_labels

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], 2)
PALETTE = ((10, 20, 30), (200, 100, 0), (0, 0, 255))


def saved(folder: Path, image: Image.Image, name: str = "a.png", **options: object) -> Path:
    image.save(folder / name, **options)
    return folder / name


def test_rgb_is_taken_as_it_is(tmp_path: Path) -> None:
    assert np.array_equal(read_rgb(saved(tmp_path, Image.fromarray(COLOUR))), COLOUR)


def test_greyscale_is_repeated_and_transparency_dropped(tmp_path: Path) -> None:
    three = np.repeat(GREY[..., None], 3, 2)
    assert np.array_equal(read_rgb(saved(tmp_path, Image.fromarray(GREY))), three)
    clear = np.dstack([COLOUR, np.full((3, 4), 7, np.uint8)])
    assert np.array_equal(read_rgb(saved(tmp_path, Image.fromarray(clear))), COLOUR)
    both = np.dstack([GREY, np.zeros((3, 4), np.uint8)])
    assert np.array_equal(read_rgb(saved(tmp_path, Image.fromarray(both, mode="LA"))), three)


def test_of_sixteen_bits_the_upper_eight_count_grey_and_colour_alike(tmp_path: Path) -> None:
    values = (np.arange(12, dtype=np.uint16).reshape(3, 4) * 5900) + 255
    expected = (values // 256).astype(np.uint8)
    assert cv2.imwrite(str(tmp_path / "g.png"), values)
    assert cv2.imwrite(str(tmp_path / "c.png"), np.dstack([values[::-1], values, values]))
    assert cv2.imwrite(str(tmp_path / "a.png"), np.dstack([values[::-1], values, values, values]))
    assert np.array_equal(read_rgb(tmp_path / "g.png"), np.repeat(expected[..., None], 3, 2))
    for name in ("c.png", "a.png"):
        assert np.array_equal(read_rgb(tmp_path / name), np.dstack([expected, expected, expected[::-1]]))


def test_palette_pictures_are_read_as_colours(tmp_path: Path) -> None:
    ids = np.array([[0, 1], [2, 1]], np.uint8)
    assert np.array_equal(read_rgb(saved(tmp_path, index_png(ids, PALETTE))), np.array(PALETTE, np.uint8)[ids])


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees to see it upright
    path = saved(tmp_path, Image.fromarray(COLOUR), exif=exif)
    assert np.array_equal(read_rgb(path), np.rot90(COLOUR, -1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"hello", "not a picture in a known format"),
        (b"cut", "truncated"),
    ],
)
def test_what_is_no_picture(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:900] if content == b"cut" else content)
    with pytest.raises(BadImage, match=message):
        read_rgb(path)


def test_numbers_without_a_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="no known range"):
        read_rgb(saved(tmp_path, Image.fromarray(np.zeros((3, 4), np.float32)), "a.tiff"))
    with pytest.raises(BadImage, match="from 0 to 99999 are more than 16 bits"):
        read_rgb(saved(tmp_path, Image.fromarray(np.array([[0, 99999]], np.int32)), "b.tiff"))


def test_shrinking_is_that_of_data_prep() -> None:
    image = np.random.default_rng(0).integers(0, 255, (60, 91, 3), dtype=np.uint8)
    small = shrunk(image, 20)
    assert small.shape == (20, 30, 3)
    assert np.array_equal(small, cv2.resize(image, (30, 20), interpolation=cv2.INTER_AREA))
    assert shrunk(image, None) is image and shrunk(image, 60) is image


def test_a_mask_keeps_its_ids_and_shows_the_colours(tmp_path: Path) -> None:
    ids = np.arange(254, dtype=np.uint8).reshape(2, 127)
    palette = tuple((k, 255 - k, k // 2) for k in range(254))
    path = saved(tmp_path, index_png(ids, palette))
    picture = Image.open(path)
    assert picture.mode == "P" and np.array_equal(np.asarray(picture), ids)
    assert np.array_equal(np.asarray(picture.convert("RGB")), np.array(palette, np.uint8)[ids])
    assert np.array_equal(read_labels(path.read_bytes(), "a"), ids), "data_prep reads it as a mask"


def test_the_overlay_mixes_image_and_colour() -> None:
    ids = np.array([[0, 1, 2, 0]] * 3, np.uint8)
    colours = np.array(PALETTE, np.uint8)[ids]
    assert np.array_equal(overlay(COLOUR, ids, PALETTE, alpha=0.0), COLOUR)
    assert np.array_equal(overlay(COLOUR, ids, PALETTE, alpha=1.0), colours)
    mixed = overlay(COLOUR, ids, PALETTE, alpha=0.25)
    assert mixed[1, 1].tolist() == [round(0.75 * int(COLOUR[1, 1, c]) + 0.25 * PALETTE[1][c]) for c in range(3)]
