"""Encoded bytes to pixels. Raises ValueError in a few words; the reader adds which shard and row."""

from __future__ import annotations

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from data_prep.schema import VOID

Pixels = NDArray[np.uint8]

_JPEG = b"\xff\xd8"
_COLOUR = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION  # a mask knows no orientation tag, so the image has none


def decode_image(encoded: Pixels) -> Pixels:
    """image HW3, RGB, of a JPEG, PNG or anything else OpenCV reads. encoded: the file's bytes, uint8 (n,)."""
    if encoded[:2].tobytes() == _JPEG:
        return np.asarray(simplejpeg.decode_jpeg(encoded, colorspace="RGB"))
    return np.asarray(cv2.cvtColor(_decode(encoded, _COLOUR, "image"), cv2.COLOR_BGR2RGB))


def decode_mask(encoded: Pixels, *, classes: int) -> Pixels:
    """mask HW of train ids in [0, classes) or 255, exactly as stored."""
    mask = _decode(encoded, cv2.IMREAD_UNCHANGED, "mask")
    if mask.ndim != 2 or mask.dtype != np.uint8:
        raise ValueError(f"the mask is {mask.dtype} of shape {mask.shape}, needed is one 8-bit channel")
    strange = mask[(mask >= classes) & (mask != VOID)]
    if strange.size:
        raise ValueError(f"the mask holds label {int(strange[0])}, known are 0..{classes - 1} and {VOID}")
    return mask


def _decode(encoded: Pixels, flags: int, what: str) -> Pixels:
    try:
        pixels = cv2.imdecode(encoded, flags)
    except cv2.error:  # no bytes at all
        pixels = None
    if pixels is None:
        raise ValueError(f"the {what} cannot be decoded")
    return np.asarray(pixels)
