"""Pictures that look the same although their bytes differ: a perceptual hash of 64 bits, and all near pairs of many.

The hash is the usual one (phash): the picture in grey at 32 x 32, its cosine transform, the 64 lowest frequencies, one bit
each for above their median. That is ten lines of cv2 and NumPy, which are here anyway; a library would bring SciPy and more.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.errors import BadItem

Hashes = npt.NDArray[np.uint64]

SIDE, LOW = 32, 8  # the picture that is transformed, and the frequencies that are kept, a side
FAR = 16  # pairs at more bits than this are not even counted: half of 64 is chance
KEPT = 1000  # nearest pairs that are kept; all are counted
BLOCK = 1 << 22  # distances held at once
REDUCED = {8: cv2.IMREAD_REDUCED_GRAYSCALE_8, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4, 2: cv2.IMREAD_REDUCED_GRAYSCALE_2}


@dataclass(frozen=True)
class Pairs:
    """Pairs of one set and another at up to FAR bits."""

    nearest: tuple[tuple[int, int, int], ...]  # (distance, place in the first, place in the second), up to KEPT, sorted
    histogram: tuple[int, ...]  # pairs at 0, 1, ... FAR bits
    first_has: npt.NDArray[
        np.int64
    ]  # per picture of the first set the distance of the nearest of the second; 64 at most
    second_has: npt.NDArray[np.int64]


def hash_picture(data: bytes, short_side: int, place: str) -> int:
    """64-bit hash of an encoded picture; large JPEGs are decoded at a fraction of their size. Raises BadItem."""
    factor = next((f for f in REDUCED if short_side // f >= 2 * SIDE), 1)
    grey_HW = cv2.imdecode(np.frombuffer(data, np.uint8), REDUCED.get(factor, cv2.IMREAD_GRAYSCALE)) if data else None
    if grey_HW is None:
        raise BadItem(place, "unreadable: not a picture in a known format")
    return hash_grey(grey_HW)


def hash_grey(grey_HW: npt.NDArray[np.uint8]) -> int:
    """64-bit hash of a grey picture of any size."""
    small = cv2.resize(grey_HW, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:LOW, :LOW].ravel()
    bits = np.packbits(low > np.median(low))
    return int.from_bytes(bits.tobytes(), "big")


def near_pairs(first_N: Hashes, second_M: Hashes) -> Pairs:
    """All pairs within FAR bits. Every distance is computed, as whole arrays: 12,000 x 12,000 takes about a second."""
    histogram = np.zeros(FAR + 1, np.int64)
    first_has, second_has = (np.full(len(hashes), 64, np.int64) for hashes in (first_N, second_M))
    nearest = np.empty((0, 3), np.int64)
    step = max(1, BLOCK // max(1, len(second_M)))
    for start in range(0, len(first_N) if len(second_M) else 0, step):
        distance = np.bitwise_count(first_N[start : start + step, None] ^ second_M)
        first_has[start : start + step] = distance.min(1)
        second_has = np.minimum(second_has, distance.min(0))
        rows, columns = np.nonzero(distance <= FAR)
        found = np.stack([distance[rows, columns].astype(np.int64), rows + start, columns], 1)
        histogram += np.bincount(found[:, 0], minlength=FAR + 1)
        nearest = np.concatenate([nearest, found])
        nearest = nearest[np.lexsort(nearest.T[::-1])[:KEPT]]
    return Pairs(
        nearest=tuple((int(d), int(i), int(j)) for d, i, j in nearest.tolist()),
        histogram=tuple(histogram.tolist()),
        first_has=first_has,
        second_has=second_has,
    )
