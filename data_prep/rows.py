"""Raw items → stored rows, in order, on a few threads; bad ones come out as BadItem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from data_prep.errors import BadItem
from data_prep.pictures import Labels, encode_mask, read_labels, store_image, store_mask, to_train_ids
from data_prep.schema import VOID
from data_prep.shards import Row
from data_prep.sources.raw import RawItem

CHUNK = 64  # items in flight: bounds the memory, whatever the size of the data set


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


def build_rows(items: Sequence[RawItem], recipe: Recipe, workers: int) -> Iterator[Built | BadItem]:
    """One result an item, in the items' order."""
    queue = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        while chunk := list(islice(queue, CHUNK)):
            yield from pool.map(lambda item: _build(item, recipe), chunk)


def _build(item: RawItem, recipe: Recipe) -> Built | BadItem:
    try:
        pair = item.read()
        image, size = store_image(pair.image, pair.image_file, recipe.short_side)
        if pair.mask is None:
            return Built(Row(item.id, image.data, None, image.height, image.width, None), None)
        raw = read_labels(pair.mask, pair.mask_file, recipe.colours)
        if raw.shape != size:
            raise BadItem(pair.mask_file, f"size mismatch: mask {_size(raw.shape)}, image {_size(size)} (HxW)")
        train_ids = to_train_ids(raw, recipe.label_table, pair.mask_file, recipe.classes)
        mask = store_mask(train_ids, (image.height, image.width))
    except BadItem as bad:
        return bad
    histogram = label_histogram(mask)
    present = tuple(index for index, count in enumerate(histogram) if count and index != VOID)
    return Built(Row(item.id, image.data, encode_mask(mask), image.height, image.width, present), histogram)


def label_histogram(mask_HW: Labels) -> tuple[int, ...]:
    """Pixels per label value, 256 counts."""
    return tuple(np.bincount(mask_HW.ravel(), minlength=256).tolist())


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
