"""The hash against its definition, and the pair search against two loops."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.errors import BadItem
from data_prep.leaks import likeness
from data_prep.leaks.likeness import FAR, KEPT, hash_grey, hash_picture, near_pairs


def bits(first: int, second: int) -> int:
    return (first ^ second).bit_count()


def slow_hash(grey: np.ndarray) -> int:
    """The transform as its double sum, at 32 x 32 (no resize)."""
    size = 32
    frequency, place = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    basis = np.cos(math.pi * frequency * (2 * place + 1) / (2 * size)) * math.sqrt(2 / size)
    basis[0] /= math.sqrt(2)
    low = (basis @ grey.astype(float) @ basis.T)[:8, :8].ravel()
    return int("".join("1" if value > np.median(low) else "0" for value in low), 2)


@pytest.mark.parametrize("seed", range(5))
def test_the_hash_is_the_definition(seed: int) -> None:
    grey = np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)
    assert bits(hash_grey(grey), slow_hash(grey)) <= 2  # float32 may tip a value that is the median
    assert hash_grey(grey).bit_count() == 32


def test_copies_are_near_and_strangers_far(draw: Any) -> None:
    pictures = [draw.textured(seed, 240, 320) for seed in range(20)]
    hashes = [hash_picture(draw.encoded(picture, "PNG"), 240, "x") for picture in pictures]
    for picture, own in zip(pictures, hashes, strict=True):
        small = cv2.resize(picture, (160, 120), interpolation=cv2.INTER_AREA)
        for copy in (small, small[3:-3, 4:-4], (picture * 0.8 + 20).astype(np.uint8)):
            data = draw.encoded(np.ascontiguousarray(copy), "JPEG", quality=60)
            assert bits(own, hash_picture(data, min(copy.shape[:2]), "x")) <= 8
    assert min(bits(a, b) for i, a in enumerate(hashes) for b in hashes[:i]) > 8


def test_a_large_jpeg_may_be_decoded_small(draw: Any) -> None:
    picture = draw.textured(3, 600, 800)
    data = draw.encoded(picture, "JPEG", quality=95)
    assert bits(hash_picture(data, 600, "x"), hash_picture(data, 100, "x")) <= 2  # 100: told small, decoded whole


@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(BadItem, match="row 3"):
        hash_picture(data, 100, "row 3")


@given(st.integers(0, 2**32), st.integers(0, 30), st.integers(0, 30), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_pairs_are_those_of_two_loops(seed: int, rows: int, columns: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 2**64, 3, dtype=np.uint64)

    def drawn(count: int) -> np.ndarray:  # a few bits away from one of three, so that all distances occur
        flips = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, (count, 12)).astype(np.uint64), axis=1)
        return base[rng.integers(0, 3, count)] ^ np.where(rng.uniform(size=count) < 0.2, np.uint64(0), flips)

    first, second = drawn(rows), drawn(columns)
    before, likeness.BLOCK = likeness.BLOCK, block
    try:
        found = near_pairs(first, second)
    finally:
        likeness.BLOCK = before
    every = sorted((bits(int(a), int(b)), i, j) for i, a in enumerate(first) for j, b in enumerate(second))
    close = [pair for pair in every if pair[0] <= FAR]
    assert list(found.nearest) == close[:KEPT]
    assert found.histogram == tuple(sum(pair[0] == d for pair in close) for d in range(FAR + 1))
    assert found.first_has.tolist() == [min((p[0] for p in every if p[1] == i), default=64) for i in range(rows)]
    assert found.second_has.tolist() == [min((p[0] for p in every if p[2] == j), default=64) for j in range(columns)]


def test_many_pairs_are_counted_and_the_nearest_kept() -> None:
    found = near_pairs(np.zeros(100, np.uint64), np.array([1] * 50 + [0], np.uint64))
    assert found.histogram[:2] == (100, 5000) and len(found.nearest) == KEPT
    assert found.nearest[:100] == tuple((0, i, 50) for i in range(100))
