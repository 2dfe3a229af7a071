"""Images to score: as stored, in order, each worker its part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ctt_ray.stream import EvalSet
from data_prep.schema import DataError

VAL = 1000


def test_images_are_as_stored_and_in_order_without_those_that_have_no_mask(dataset: Path, picture) -> None:
    images = EvalSet(dataset, "val")
    assert len(images) == 5
    for _ in range(2):  # it may be read again
        found = list(images)
        assert [id_ for id_, _, _ in found] == ["val0", "val1", "val3", "val4", "val5"]
        for id_, image_13HW, label_1HW in found:
            image, mask = picture(VAL + int(id_[3:]))
            assert (image_13HW.dtype, label_1HW.dtype) == (torch.uint8, torch.uint8)
            assert np.array_equal(image_13HW[0].permute(1, 2, 0).numpy(), image)
            assert np.array_equal(label_1HW[0].numpy(), mask)


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("limit", [None, 3, 50])
def test_workers_share_the_images(dataset: Path, world: int, limit: int | None) -> None:
    alone = [id_ for id_, _, _ in EvalSet(dataset, "train", limit)]
    shares = [[id_ for id_, _, _ in EvalSet(dataset, "train", limit, rank, world)] for rank in range(world)]
    assert [len(EvalSet(dataset, "train", limit, rank, world)) for rank in range(world)] == list(map(len, shares))
    assert sorted(id_ for share in shares for id_ in share) == sorted(alone)
    assert len(alone) == min(limit or 32, 32)


def test_a_limit_is_spread_over_the_split(dataset: Path) -> None:
    numbers = [int(id_.removeprefix("train")) for id_, _, _ in EvalSet(dataset, "train", limit=4)]
    assert numbers == sorted(numbers)
    assert numbers[0] == 0
    assert numbers[-1] > 38 * 0.7


def test_what_cannot_be_scored_is_refused(dataset: Path, small_data, row) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        EvalSet(dataset, "val", limit=0)
    with pytest.raises(ValueError, match=r"0\.\.world-1"):
        EvalSet(dataset, "val", rank=1)
    with pytest.raises(DataError, match="holds no mask to score against"):
        EvalSet(small_data([row("a", 1, masked=False)]), "train")


def ids(*args: object, **changes: object) -> list[str]:
    return [id_ for id_, _, _ in EvalSet(*args, **changes)]  # type: ignore[arg-type]


def test_parts_of_a_split_are_its_images_cut_without_overlap(dataset: Path) -> None:
    one, two = ids(dataset, "val:0/2"), ids(dataset, "val:1/2")
    assert not set(one) & set(two) and sorted([len(one), len(two)]) == [2, 3]
    assert sorted(one + two) == ids(dataset, "val")  # the images without mask are in neither
    assert one == sorted(one) and ids(dataset, "val:0/2", limit=1) == one[:1]
    assert [ids(dataset, "val:0/2", None, rank, 2) for rank in (0, 1)] == [one[0::2], one[1::2]]


def test_parts_of_the_labelled_images_are_read_from_train(dataset: Path) -> None:
    parts = [ids(dataset, f"labelled:{part}/2", labelled="few") for part in (0, 1)]
    assert sorted(parts[0] + parts[1]) == sorted(["train0", "train5", "train6", "train14", "train31"])
    assert len(ids(dataset, "labelled:0/4", labelled="all")) == 8  # a quarter of the 32 rows with a mask


def test_parts_that_cannot_be_scored(dataset: Path) -> None:
    with pytest.raises(DataError, match="'labelled:5/9' is empty: there are 5 images"):
        EvalSet(dataset, "labelled:5/9", labelled="few")
    with pytest.raises(DataError, match=r"no split 'tset'.*train, val"):
        EvalSet(dataset, "tset:0/2")
    with pytest.raises(DataError, match="name of the run's labelled split"):
        EvalSet(dataset, "labelled:0/2")
