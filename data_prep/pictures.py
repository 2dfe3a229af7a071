"""Encoded image and mask bytes → what a shard stores. Every fault becomes a BadItem with its reason."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from data_prep.errors import BadItem
from data_prep.schema import VOID

Labels = npt.NDArray[np.uint8]

JPEG_QUALITY = 95
PNG_COMPRESSION = 6  # the smallest that is still fast; fixed, since shards are compared byte by byte
SHRINKING = 2  # raise it when --short-side gives other pixels: prepared folders then know that they are of another set
ORIENTATION = 0x0112  # EXIF tag
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


class Stored(NamedTuple):
    """Encoded bytes and the size of the picture in them."""

    data: bytes
    height: int
    width: int


def store_image(data: bytes, file: str, short_side: int | None = None) -> tuple[Stored, tuple[int, int]]:
    """The image as it is stored, and its (height, width) before any resize.

    RGB and greyscale JPEG and PNG keep their bytes. Other formats and modes are converted to RGB (16-bit images by their
    upper 8 bits), an EXIF orientation is applied (decoders disagree about it), and short_side shrinks larger images with
    area averaging."""
    image = _load(data, file)
    plain = image.format in ("JPEG", "PNG") and image.mode in ("RGB", "L") and image.getexif().get(ORIENTATION, 1) == 1
    if not plain:
        as_jpeg = image.format == "JPEG"
        if image.mode == "F":
            raise BadItem(file, "image holds fractional numbers, whose range is unknown: save 8 or 16 bits a channel")
        image = _rgb(ImageOps.exif_transpose(image))
        data = encode_image(np.asarray(image), as_jpeg=as_jpeg)
    size = (image.height, image.width)
    target = _resized(size, short_side)
    if target == size:
        return Stored(data, *size), size
    pixels = cv2.resize(np.asarray(image.convert("RGB")), target[::-1], interpolation=cv2.INTER_AREA)
    return Stored(encode_image(pixels, as_jpeg=True), *target), size


def _rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB. Pillow would clip 16-bit greyscale to 255 instead of scaling it, and fractions to 0."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    return image.convert("RGB")


def read_labels(data: bytes, file: str, colours: Mapping[tuple[int, int, int], int] | None = None) -> Labels:
    """A mask's raw label values, (H, W) uint8. Palette pictures are read as indices and colour pictures refused; with a
    table of colours both are read by their colours (a transparency is not looked at), and grey ones still as indices."""
    image = _load(data, file)
    if image.format == "JPEG":
        raise BadItem(file, "mask is a JPEG, whose values are not exact: save masks as PNG")
    if colours and image.mode in ("P", "RGB", "RGBA"):
        return _by_colour(np.asarray(image.convert("RGB")), colours, file)
    if image.mode not in ("P", "L", "1") and not image.mode.startswith("I"):
        raise BadItem(
            file,
            f"mask is a colour picture (mode {image.mode}): an index or palette PNG is needed, or a table of its colours "
            "(folder --colours)",
        )
    values = np.asarray(image)
    if values.max(initial=0) > VOID or values.min(initial=0) < 0:
        raise BadItem(file, f"unknown label value {int(values.max())}: values above {VOID} do not fit a mask")
    return values.astype(np.uint8)


def _by_colour(rgb_HW3: npt.NDArray[np.uint8], colours: Mapping[tuple[int, int, int], int], file: str) -> Labels:
    """Each pixel's value in the table. A colour that is not in it is a BadItem that names it."""
    table = {red << 16 | green << 8 | blue: value for (red, green, blue), value in colours.items()}
    known = np.array(sorted(table))
    values = np.array([table[code] for code in known.tolist()], np.uint8)
    codes_HW = rgb_HW3.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    place_HW = np.searchsorted(known, codes_HW).clip(max=len(known) - 1)
    unknown = codes_HW[known[place_HW] != codes_HW]
    if unknown.size:
        shown = [f"#{code:06x}" for code in np.unique(unknown)[:6].tolist()]
        more = f" (and {', '.join(shown[1:])})" if len(shown) > 1 else ""
        raise BadItem(file, f"unknown colour {shown[0]}{more} in {unknown.size} pixels: not in the table of colours")
    return values[place_HW]


def to_train_ids(raw_HW: Labels, table: Mapping[int, int], file: str, classes: int) -> Labels:
    """Raw values → train ids through the source's table; 255 stays void. Another value is a BadItem that names it."""
    counts = np.bincount(raw_HW.ravel(), minlength=256)
    unknown = [value for value in np.flatnonzero(counts).tolist() if value not in table and value != VOID]
    if unknown:
        more = f" (and {', '.join(map(str, unknown[1:6]))})" if len(unknown) > 1 else ""
        raise BadItem(
            file,
            f"unknown label value {unknown[0]}{more} in {int(counts[unknown].sum())} pixels: {classes} classes are "
            f"named, the mask may hold {_ranges(table)} and {VOID} (void)",
        )
    lookup = np.full(256, VOID, np.uint8)
    lookup[list(table)] = list(table.values())
    return lookup[raw_HW]


def store_mask(train_HW: Labels, size: tuple[int, int]) -> Labels:
    """The mask at the size its image is stored in: the value at the centre of each area that the image averages.

    In whole numbers, for OpenCV's INTER_NEAREST takes the area's corner, up to half a stored pixel beside it, and its
    INTER_NEAREST_EXACT either neighbour where the centre lies between two."""
    if train_HW.shape == size:
        return train_HW
    rows, columns = (_centres(of, to) for of, to in zip(train_HW.shape, size, strict=True))
    return train_HW[rows][:, columns]


def _centres(of: int, to: int) -> npt.NDArray[np.int64]:
    """Where the centres of `to` equal areas of `of` pixels lie."""
    return (2 * np.arange(to) + 1) * of // (2 * to)


def encode_mask(train_HW: Labels) -> bytes:
    """Single-channel 8-bit PNG."""
    return _encode(".png", train_HW, [cv2.IMWRITE_PNG_COMPRESSION, PNG_COMPRESSION])


def encode_image(rgb_HWC: npt.NDArray[np.uint8], *, as_jpeg: bool) -> bytes:
    """RGB (H, W, 3) or grey (H, W) uint8 → JPEG quality 95 or PNG."""
    pixels = cv2.cvtColor(rgb_HWC, cv2.COLOR_RGB2BGR) if rgb_HWC.ndim == 3 else rgb_HWC
    if as_jpeg:
        return _encode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return _encode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, PNG_COMPRESSION])


def read_image(data: bytes, file: str) -> npt.NDArray[np.uint8]:
    """Stored bytes → RGB (H, W, 3) uint8."""
    return np.asarray(_load(data, file).convert("RGB"))


def _load(data: bytes, file: str) -> Image.Image:
    if not data:
        raise BadItem(file, "unreadable: the file is empty")
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except UnidentifiedImageError:  # its text holds a memory address, which would differ from run to run
        raise BadItem(file, "unreadable: not a picture in a known format") from None
    except UNREADABLE as error:
        kind = "truncated" if "truncated" in str(error).lower() else "unreadable"
        raise BadItem(file, f"{kind}: {error}") from None
    if image.format == "PNG" and b"IEND" not in data:
        raise BadItem(file, "truncated: the PNG has no end chunk")
    return image


def _encode(suffix: str, pixels: npt.NDArray[np.uint8], flags: list[int]) -> bytes:
    done, encoded = cv2.imencode(suffix, pixels, flags)
    if not done:
        raise BadItem("", f"cannot encode a picture of shape {pixels.shape} as {suffix}")
    return bytes(encoded.tobytes())


def _resized(size: tuple[int, int], short_side: int | None) -> tuple[int, int]:
    if short_side is None or min(size) <= short_side:
        return size
    scale = short_side / min(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _ranges(table: Mapping[int, int]) -> str:
    values = sorted(table)
    whole = values == list(range(len(values)))
    return f"0 to {len(values) - 1}" if whole else ", ".join(map(str, values))
