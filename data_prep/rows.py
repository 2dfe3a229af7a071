"""A raw item → a stored row: read, checked, encoded; a bad one comes out as BadItem."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from data_prep.errors import BadItem
from data_prep.pictures import Labels, encode_mask, read_labels, store_image, store_mask, to_train_ids
from data_prep.schema import VOID
from data_prep.shards import Row
from data_prep.sources.raw import Fault, RawItem, RawPair


@dataclass(frozen=True)
class Built:
    """A row with its label histogram (256 counts, None without a mask)."""

    row: Row
    histogram: tuple[int, ...] | None


@dataclass(frozen=True)
class Recipe:
    """How masks are understood and what is done to pictures."""

    label_table: Mapping[int, int]
    classes: int
    short_side: int | None
    colours: Mapping[tuple[int, int, int], int] | None = None


@dataclass(frozen=True)
class Builder:
    """RawItem → row, or why there is none; worker processes get it as it is."""

    recipe: Recipe

    def __call__(self, item: RawItem) -> Built | BadItem:
        try:
            return _build(item, self.recipe)
        except BadItem as bad:
            return bad


def one_thread() -> None:
    """What a worker process does first: the processes share the machine, so OpenCV starts no threads in them."""
    cv2.setNumThreads(1)


def fetched(items: Iterable[RawItem]) -> Iterator[RawItem]:
    """The same items, read in this process: for streams, which no other one can read."""
    for item in items:
        try:
            read: Callable[[], RawPair] = partial(RawPair, *item.read())
        except BadItem as bad:
            read = Fault(bad)
        yield RawItem(item.id, read, item.signature)


def _build(item: RawItem, recipe: Recipe) -> Built:
    pair = item.read()
    image, size = store_image(pair.image, pair.image_file, recipe.short_side)
    if pair.mask is None:
        return Built(Row(item.id, image.data, None, image.height, image.width, None), None)
    raw = read_labels(pair.mask, pair.mask_file, recipe.colours)
    if raw.shape != size:
        raise BadItem(pair.mask_file, f"size mismatch: mask {_size(raw.shape)}, image {_size(size)} (HxW)")
    train_ids = to_train_ids(raw, recipe.label_table, pair.mask_file, recipe.classes)
    mask = store_mask(train_ids, (image.height, image.width))
    histogram = label_histogram(mask)
    present = tuple(index for index, count in enumerate(histogram) if count and index != VOID)
    return Built(Row(item.id, image.data, encode_mask(mask), image.height, image.width, present), histogram)


def label_histogram(mask_HW: Labels) -> tuple[int, ...]:
    """Pixels per label value, 256 counts."""
    return tuple(np.bincount(mask_HW.ravel(), minlength=256).tolist())


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
