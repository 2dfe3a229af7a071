"""Every fault of a file has its reason, and what is stored is what was there."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from data_prep.errors import BadItem
from data_prep.pictures import encode_mask, read_image, read_labels, store_image, store_mask, to_train_ids


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("PNG", "RGB"), ("JPEG", "L"), ("PNG", "L")])
def test_plain_images_keep_their_bytes(draw: Any, kind: str, mode: str) -> None:
    data = draw.encoded(np.asarray(Image.fromarray(draw.picture(0)).convert(mode)), kind)
    stored, size = store_image(data, "x")
    assert stored.data == data
    assert (stored.height, stored.width) == size == (24, 32)


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK"])
def test_other_modes_become_rgb_of_the_same_colours(draw: Any, mode: str) -> None:
    image = Image.fromarray(draw.picture(1)).convert(mode)
    stream = io.BytesIO()
    image.save(stream, "TIFF")
    stored, _ = store_image(stream.getvalue(), "x")
    back = Image.open(io.BytesIO(stored.data))
    assert (back.format, back.mode) == ("PNG", "RGB")
    np.testing.assert_array_equal(np.asarray(back), np.asarray(image.convert("RGB")))


def test_an_exif_orientation_is_applied_and_removed(draw: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter
    data = draw.encoded(draw.picture(2), "JPEG", exif=exif, quality=95)
    stored, size = store_image(data, "x")
    assert size == (32, 24) == (stored.height, stored.width)
    back = Image.open(io.BytesIO(stored.data))
    assert back.format == "JPEG" and 0x0112 not in back.getexif()
    turned = np.rot90(read_image(data, "x"), -1).astype(int)
    assert np.abs(np.asarray(back).astype(int) - turned).mean() < 3


def test_short_side_shrinks_by_area_and_leaves_small_images(draw: Any) -> None:
    grey = np.repeat(np.arange(24, dtype=np.uint8)[:, None] * 10, 32, 1)
    data = draw.encoded(np.stack([grey] * 3, -1), "PNG")
    stored, size = store_image(data, "x", short_side=12)
    assert (size, stored.height, stored.width) == ((24, 32), 12, 16)
    pairs = grey.reshape(12, 2, 16, 2).mean((1, 3))
    assert np.abs(read_image(stored.data, "x")[..., 0] - pairs).max() <= 4  # JPEG quality 95
    assert store_image(data, "x", short_side=24)[0].data == data
    assert store_image(data, "x", short_side=99)[0].data == data


def test_masks_shrink_by_nearest_only() -> None:
    mask = np.random.default_rng(0).choice(np.array([0, 20, 255], np.uint8), (24, 32))  # changes at every pixel
    assert set(np.unique(store_mask(mask, (11, 14)))) == {0, 20, 255}
    np.testing.assert_array_equal(store_mask(mask, (8, 16)), mask[1::3, 1::2])
    np.testing.assert_array_equal(store_mask(mask, (24, 32)), mask)


@pytest.mark.parametrize(("size", "target"), [((24, 32), (11, 14)), ((50, 70), (16, 23)), ((1024, 2048), (512, 1024))])
def test_a_shrunk_mask_holds_the_value_at_each_areas_centre(size: tuple[int, int], target: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).integers(0, 250, size, dtype=np.uint8)
    rows, columns = ([(2 * n + 1) * of // (2 * to) for n in range(to)] for of, to in zip(size, target, strict=True))
    np.testing.assert_array_equal(store_mask(mask, target), mask[rows][:, columns])


@pytest.mark.parametrize("factor", [3, 5])
def test_a_shrunk_mask_lies_on_its_shrunk_image(draw: Any, factor: int) -> None:
    """An edge at every place: stored pixels that are mostly bright are those that the mask calls bright."""
    small, wide = 16, 16 * factor
    for edge in range(1, wide):
        bright = np.zeros((wide, wide), np.uint8)
        bright[:, edge:] = 1
        data = draw.encoded(np.repeat(bright[..., None] * 255, 3, -1), "PNG")
        stored, size = store_image(data, "x", short_side=small)
        assert (size, stored.height, stored.width) == ((wide, wide), small, small)
        shown = read_image(stored.data, "x")[..., 0] > 127
        np.testing.assert_array_equal(store_mask(bright, (small, small)), shown, err_msg=f"edge {edge}")


@pytest.mark.parametrize("cut", [1, 3, 50, 300])
def test_truncated_jpeg(draw: Any, cut: int) -> None:
    data = draw.encoded(draw.picture(0, 240, 320), "JPEG")
    with pytest.raises(BadItem, match=r"^pic\.jpg: truncated"):
        store_image(data[:-cut], "pic.jpg")


@pytest.mark.parametrize("cut", [8, 12, 100])
def test_truncated_png(draw: Any, cut: int) -> None:
    data = draw.encoded(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8), "PNG")
    with pytest.raises(BadItem, match=r"^pic\.png: (truncated|unreadable)"):
        store_image(data[:-cut], "pic.png")


@pytest.mark.parametrize("data", [b"", b"this is not a picture"])
def test_no_picture_at_all_and_the_reason_is_the_same_each_time(data: bytes) -> None:
    reasons = set()
    for _ in range(2):
        with pytest.raises(BadItem, match="unreadable") as caught:
            store_image(data, "x")
        reasons.add(caught.value.reason)
    assert len(reasons) == 1


def test_palette_and_index_masks_read_as_indices(draw: Any) -> None:
    mask = draw.labels(3, 21)
    for data in (draw.palette_png(mask), draw.encoded(mask, "PNG"), encode_mask(mask)):
        np.testing.assert_array_equal(read_labels(data, "m"), mask)


def test_two_level_masks_read_as_zero_and_one(draw: Any) -> None:
    np.testing.assert_array_equal(read_labels(draw.encoded(np.eye(5, dtype=bool), "PNG"), "m"), np.eye(5))


def test_sixteen_bit_masks_are_read_when_the_values_fit(draw: Any) -> None:
    mask = draw.labels(4, 9).astype(np.uint16)
    np.testing.assert_array_equal(read_labels(draw.encoded(mask, "PNG"), "m"), mask)
    mask[0, 0] = 300
    with pytest.raises(BadItem, match="unknown label value 300"):
        read_labels(draw.encoded(mask, "PNG"), "m")


def test_colour_and_jpeg_masks_are_refused(draw: Any) -> None:
    with pytest.raises(BadItem, match=r"colour picture .mode RGB.: an index or palette PNG is needed"):
        read_labels(draw.encoded(draw.picture(0), "PNG"), "m")
    with pytest.raises(BadItem, match="JPEG, whose values are not exact"):
        read_labels(draw.encoded(draw.labels(0, 3), "JPEG"), "m")


def test_train_ids_against_a_plain_loop(draw: Any) -> None:
    table = {0: 2, 3: 0, 7: 255, 9: 1}
    raw = np.random.default_rng(0).choice(np.array([0, 3, 7, 9, 255], np.uint8), (5, 6))
    slow = np.array([[table.get(int(value), 255) for value in line] for line in raw])
    np.testing.assert_array_equal(to_train_ids(raw, table, "m", 3), slow)


def test_unknown_values_are_named_with_their_pixels() -> None:
    raw = np.array([[0, 1, 2], [21, 21, 34]], np.uint8)
    with pytest.raises(BadItem) as caught:
        to_train_ids(raw, {0: 0, 1: 1, 2: 2}, "m.png", 3)
    text = str(caught.value)
    assert text.startswith("m.png: unknown label value 21 (and 34) in 3 pixels")
    assert "3 classes are named, the mask may hold 0 to 2 and 255" in text


def test_sixteen_bit_greyscale_keeps_its_upper_eight_bits() -> None:
    """Pillow's own conversion clips at 255: an evenly lit 16-bit ramp would become almost all white."""
    ramp = np.repeat(np.arange(256, dtype=np.uint16)[None] * 256 + 77, 8, axis=0)
    out = io.BytesIO()
    Image.fromarray(ramp).save(out, "PNG")
    stored, _ = store_image(out.getvalue(), "a.png")
    shown = np.asarray(Image.open(io.BytesIO(stored.data)).convert("RGB"))
    assert np.array_equal(shown[..., 0], np.repeat(np.arange(256)[None], 8, axis=0))


def test_sixteen_bit_colour_reads_as_its_upper_eight_bits_everywhere() -> None:
    """A PNG of 16 bits a channel keeps its bytes: Pillow and OpenCV agree on what it shows."""
    deep = np.random.default_rng(0).integers(0, 1 << 16, (6, 7, 3), dtype=np.uint16)
    data = cv2.imencode(".png", np.ascontiguousarray(deep[..., ::-1]))[1].tobytes()
    stored, _ = store_image(data, "a.png")
    assert stored.data == data
    np.testing.assert_array_equal(read_image(stored.data, "a.png"), deep >> 8)
    decoded = cv2.imdecode(np.frombuffer(stored.data, np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(decoded, deep >> 8)


def test_grey_pictures_read_as_three_equal_channels(draw: Any) -> None:
    grey = draw.picture(5)[..., 0]
    shown = read_image(store_image(draw.encoded(grey, "PNG"), "a.png")[0].data, "a.png")
    np.testing.assert_array_equal(shown, np.repeat(grey[..., None], 3, -1))
    with_alpha = np.stack([grey, np.full_like(grey, 128)], -1)
    stored, _ = store_image(draw.encoded(with_alpha, "PNG"), "a.png")
    np.testing.assert_array_equal(read_image(stored.data, "a.png"), shown)


def test_fractional_images_are_refused(draw: Any) -> None:
    with pytest.raises(BadItem, match=r"a\.tif: image holds fractional numbers"):
        store_image(draw.encoded(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4), "TIFF"), "a.tif")


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_sixteen_bit_masks_of_both_byte_orders(draw: Any, order: str) -> None:
    mask = draw.labels(4, 9)
    image = Image.frombytes("I;16" if order == "<u2" else "I;16B", (32, 24), mask.astype(order).tobytes())
    stream = io.BytesIO()
    image.save(stream, "TIFF")
    np.testing.assert_array_equal(read_labels(stream.getvalue(), "m.tif"), mask)


COLOURS = {(128, 64, 128): 0, (0, 0, 142): 1, (10, 20, 30): 0, (0, 0, 0): 255}


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colour_masks_against_a_plain_loop(draw: Any, mode: str) -> None:
    keys = np.array(list(COLOURS), np.uint8)
    rgb = keys[np.random.default_rng(0).integers(0, 4, (5, 6))]
    stream = io.BytesIO()
    image = Image.fromarray(rgb)
    (image.quantize(8) if mode == "P" else image.convert(mode)).save(stream, "PNG")
    slow = [[COLOURS[tuple(pixel)] for pixel in line] for line in rgb.tolist()]
    np.testing.assert_array_equal(read_labels(stream.getvalue(), "m", COLOURS), slow)


def test_grey_masks_stay_indices_beside_a_table_of_colours(draw: Any) -> None:
    mask = draw.labels(1, 2)
    np.testing.assert_array_equal(read_labels(draw.encoded(mask, "PNG"), "m", COLOURS), mask)


def test_unknown_colours_are_named_with_their_pixels(draw: Any) -> None:
    rgb = np.zeros((3, 4, 3), np.uint8)
    rgb[0, :2] = 255
    rgb[1, 1] = (128, 64, 129)
    with pytest.raises(BadItem, match=r"^m\.png: unknown colour #804081 \(and #ffffff\) in 3 pixels"):
        read_labels(draw.encoded(rgb, "PNG"), "m.png", COLOURS)
    with pytest.raises(BadItem, match="JPEG, whose values are not exact"):
        read_labels(draw.encoded(rgb, "JPEG"), "m.jpg", COLOURS)
