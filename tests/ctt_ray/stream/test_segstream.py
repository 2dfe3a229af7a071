"""Batches: the same for any number of workers and loader processes, resumable anywhere, with the right codes."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import astuple, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ctt_ray.batch import Batch, Samples
from ctt_ray.stream import EvalSet, SegStream
from ctt_ray.stream.order import sample_key
from data_prep.parts import Part
from data_prep.schema import PADDING, VOID, DataError

LABELLED = {0, 5, 6, 14, 31}


def stream(folder: Path, **changes: object) -> SegStream:
    view = {"crop": (24, 20), "scale": (0.5, 2.0), "flip": 0.5, "rotation": 0.0}
    usual = {"labelled": "few", "batch_labelled": 4, "batch_unlabelled": 6, "seed": 3, **view}
    return SegStream(folder, **{**usual, **changes})  # type: ignore[arg-type]


def take(source: SegStream, batches: int) -> list[Batch]:
    return list(islice(source, batches))


def equal(one: Batch, two: Batch) -> bool:
    halves = [(one.labelled, two.labelled), (one.unlabelled, two.unlabelled)]
    return all(torch.equal(a, b) for x, y in halves for a, b in zip(astuple(x), astuple(y), strict=True))


def gathered(shares: list[Samples]) -> tuple[torch.Tensor, ...]:
    """The samples of several workers, in the order of their numbers."""
    order = torch.cat([share.number_B for share in shares]).argsort()
    return tuple(torch.cat(parts)[order] for parts in zip(*map(astuple, shares), strict=True))


def rows_seen(source: SegStream, half: str, samples: int) -> list[int]:
    """Rows of train behind the first samples of one half (that a batch shows them is a test of its own)."""
    lane = getattr(source._shares, half)
    return [lane.share(source.state()["seed"], number, 0, 1)[0].row for number in range(samples)]


def test_shapes_types_and_numbers(dataset: Path) -> None:
    for step, batch in enumerate(take(stream(dataset), 3)):
        for samples, size, lane in ((batch.labelled, 4, 0), (batch.unlabelled, 6, 1)):
            assert (samples.image_B3HW.shape, samples.image_B3HW.dtype) == ((size, 3, 24, 20), torch.uint8)
            assert (samples.label_BHW.shape, samples.label_BHW.dtype) == ((size, 24, 20), torch.uint8)
            assert samples.number_B.tolist() == list(range(step * size, step * size + size))
            assert samples.key_B.tolist() == [sample_key(3, lane, number) for number in samples.number_B.tolist()]


def test_an_epoch_shows_every_image_of_its_half_once_and_none_of_the_other(dataset: Path) -> None:
    source = stream(dataset)
    assert (source.labelled_count, source.unlabelled_count) == (5, 33)
    for epochs in (1, 3):
        assert Counter(rows_seen(source, "labelled", 5 * epochs)) == dict.fromkeys(LABELLED, epochs)
        assert Counter(rows_seen(source, "unlabelled", 33 * epochs)) == dict.fromkeys(set(range(38)) - LABELLED, epochs)


def test_the_batch_shows_the_row_that_the_order_names(dataset: Path, picture) -> None:
    """At scale 1 with a crop larger than every image the whole picture is in the view."""
    source = stream(dataset, crop=(40, 60), scale=(1.0, 1.0), flip=0.0)
    rows = rows_seen(source, "unlabelled", 12)
    batches = take(source, 2)
    images = torch.cat([batch.unlabelled.image_B3HW for batch in batches])
    labels = torch.cat([batch.unlabelled.label_BHW for batch in batches])
    for row, image_3HW, label_HW in zip(rows, images, labels, strict=True):
        image, mask = picture(row)
        inside = label_HW != PADDING
        assert int(inside.sum()) == mask.size
        assert np.array_equal(image_3HW[:, inside].T.numpy(), image.reshape(-1, 3))
        truth = np.full(mask.size, VOID) if row % 6 == 3 else mask.ravel()
        assert np.array_equal(label_HW[inside].numpy(), truth)


def test_padding_is_void_for_labelled_and_254_for_unlabelled_images(dataset: Path) -> None:
    batches = take(stream(dataset, crop=(60, 60), scale=(0.5, 1.0)), 4)
    labelled = torch.cat([batch.labelled.label_BHW for batch in batches])
    unlabelled = torch.cat([batch.unlabelled.label_BHW for batch in batches])
    assert (labelled == VOID).any()
    assert not (labelled == PADDING).any()
    assert (unlabelled == PADDING).any()
    assert set(unlabelled.unique().tolist()) <= {0, 1, 2, 3, PADDING, VOID}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 8), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**60))
def test_resume_is_exact_anywhere_and_with_another_world(
    dataset: Path, before: int, old: int, new: int, seed: int
) -> None:
    whole = take(stream(dataset, seed=seed), before + 2)
    first = stream(dataset, seed=seed, rank=old - 1, world=old)
    take(first, before)
    state = json.loads(json.dumps(first.state()))
    assert state == {"labelled": 4 * before, "unlabelled": 6 * before, "seed": seed}
    workers = [stream(dataset, rank=rank, world=new) for rank in range(new)]
    for worker in workers:
        worker.load_state(state)
    after = [take(worker, 2) for worker in workers]
    for step, expected in enumerate(whole[before:]):
        for half in ("labelled", "unlabelled"):
            found = gathered([getattr(batches[step], half) for batches in after])
            assert all(torch.equal(a, b) for a, b in zip(found, astuple(getattr(expected, half)), strict=True))


def test_iterating_again_goes_on_and_ends_the_old_iterator(dataset: Path) -> None:
    whole, source = take(stream(dataset), 4), stream(dataset)
    old = iter(source)
    assert equal(next(old), whole[0])
    assert equal(next(iter(source)), whole[1])
    with pytest.raises(RuntimeError, match=r"call iter\(\) again"):
        next(old)
    assert all(map(equal, take(source, 2), whole[2:]))


def test_state_counts_what_was_yielded_before_the_consumer_is_done_with_it(dataset: Path) -> None:
    source = stream(dataset)
    for step, _ in zip(range(3), source, strict=False):
        assert source.state() == {"labelled": 4 * (step + 1), "unlabelled": 6 * (step + 1), "seed": 3}


def test_loader_processes_change_nothing(dataset: Path) -> None:
    """Same batches, same state in spite of prefetching, resumable; and the global generator is left alone."""
    expected = take(stream(dataset, rotation=10.0), 7)
    source = stream(dataset, rotation=10.0, loaders=2)
    torch.manual_seed(11)
    before = torch.get_rng_state()
    assert all(map(equal, take(source, 3), expected[:3]))
    assert torch.equal(torch.get_rng_state(), before)
    assert source.state() == {"labelled": 12, "unlabelled": 18, "seed": 3}
    assert all(map(equal, take(source, 2), expected[3:5]))
    source.load_state({"labelled": 20, "unlabelled": 30, "seed": 3})
    assert all(map(equal, take(source, 2), expected[5:]))


@pytest.mark.parametrize("loaders", [0, 1])
def test_a_bad_row_ends_the_stream_with_its_own_words(small_data, row, loaders: int) -> None:
    good = row("a", 1, masked=True)
    folder = small_data([good, replace(good, id="b", image=b"nothing")])
    with pytest.raises(DataError, match=r"^shard train-00000\.arrow .*bad row 1") as caught:
        take(stream(folder, labelled="all", loaders=loaders), 2)
    assert "Traceback" not in str(caught.value)


def test_without_unlabelled_batches_that_half_is_empty(dataset: Path) -> None:
    source = stream(dataset, batch_unlabelled=0)
    batch = take(source, 2)[1]
    assert len(batch.unlabelled) == 0
    assert batch.unlabelled.image_B3HW.shape == (0, 3, 24, 20)
    assert batch.unlabelled.label_BHW.shape == (0, 24, 20)
    assert source.state()["unlabelled"] == 0


def test_which_rows_are_unlabelled(dataset: Path, fully_labelled: Path) -> None:
    everything, bare = set(range(38)), set(range(3, 38, 6))
    for folder, changes, labelled, unlabelled in [
        (dataset, {"labelled": "all"}, everything - bare, bare),
        (dataset, {"labelled_as_unlabelled": True}, LABELLED, everything),
        (fully_labelled, {"labelled": "all"}, everything, everything),
    ]:
        source = stream(folder, **changes)
        assert set(source._shares.labelled.rows.tolist()) == labelled
        assert set(source._shares.unlabelled.rows.tolist()) == unlabelled


def test_facts_of_the_labelled_images(dataset: Path, fully_labelled: Path, picture) -> None:
    for folder, name, rows in [(dataset, "few", LABELLED), (fully_labelled, "all", range(38))]:
        source = stream(folder, labelled=name)
        masks = [picture(row)[1] for row in rows]
        assert source.labelled_pixels_K.dtype == torch.int64
        assert source.labelled_pixels_K.tolist() == [sum(int((mask == k).sum()) for mask in masks) for k in range(4)]
        assert source.labelled_images_per_class == tuple(
            sum(bool((mask == k).any()) for mask in masks) for k in range(4)
        )


def test_no_image_of_val_is_shown(dataset: Path, tmp_path: Path) -> None:
    """A whole epoch of both halves is the same with the shards of val gone."""
    copy = Path(shutil.copytree(dataset, tmp_path / "copy"))
    for shard in copy.glob("val-*.arrow"):
        shard.unlink()
    assert all(map(equal, take(stream(copy), 6), take(stream(dataset), 6)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_labelled": 2, "world": 3}, "Use larger batches or fewer workers"),
        ({"batch_unlabelled": 2, "world": 3}, "Use larger batches or fewer workers"),
        ({"batch_labelled": 0}, "Use larger batches"),
        ({"rank": 2, "world": 2}, r"ranks are 0\.\.world-1"),
        ({"seed": -1}, "0 or more"),
        ({"loaders": -1}, r"0 \(none"),
        ({"crop": (0, 5)}, "a crop of at least 1x1"),
    ],
)
def test_impossible_settings_are_refused(dataset: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stream(dataset, **changes)


def test_splits_that_do_not_fit_are_refused(dataset: Path, split_writer) -> None:
    split_writer(dataset, "empty", [])
    split_writer(dataset, "strangers", ["train1", "val0", "x"])
    split_writer(dataset, "bare", ["train1", "train3"])
    split_writer(dataset, "old", ["train1"], data_hash="of before")
    for name, message in {
        "empty": "labels no image .*python -m data_prep split",
        "strangers": "names 2 ids that train does not hold: val0, x.*python -m data_prep split",
        "bare": "calls 1 images labelled that have no mask: train3",
        "old": "was made for data of before.*python -m data_prep split",
        "absent": "no labelled split 'absent'",
    }.items():
        with pytest.raises(DataError, match=message):
            stream(dataset, labelled=name)


def test_data_without_any_mask_is_refused(small_data, row) -> None:
    with pytest.raises(DataError, match="labels no image"):
        stream(small_data([row("a", 1, masked=False)]), labelled="all")


@pytest.mark.parametrize("labelled", ["few", "all"])
@pytest.mark.parametrize("labelled_as_unlabelled", [False, True])
def test_a_held_out_image_is_in_neither_half(dataset: Path, labelled: str, labelled_as_unlabelled: bool) -> None:
    part = Part("labelled", 1, 3)
    whole = stream(dataset, labelled=labelled, labelled_as_unlabelled=labelled_as_unlabelled)
    hidden = {int(id_[5:]) for id_, _, _ in EvalSet(dataset, str(part), labelled=labelled)}
    source = stream(dataset, labelled=labelled, labelled_as_unlabelled=labelled_as_unlabelled, held_out=part)
    for half in ("labelled", "unlabelled"):
        before, after = (set(rows_seen(s, half, 200)) for s in (whole, source))
        assert after == before - hidden and not after & hidden
    assert hidden and source.labelled_count == whole.labelled_count - len(hidden)


def test_held_out_images_of_a_fully_labelled_set_are_not_unlabelled_either(fully_labelled: Path) -> None:
    source = stream(fully_labelled, labelled="all", held_out=Part("labelled", 0, 2))
    assert (source.labelled_count, source.unlabelled_count) == (19, 19)
    assert set(rows_seen(source, "unlabelled", 38)) == set(rows_seen(source, "labelled", 38))


def test_somebody_must_be_left_to_train_on(dataset: Path, split_writer) -> None:
    split_writer(dataset, "one", ["train0"])
    with pytest.raises(DataError, match="holds out all 1 labelled images of 'one'"):
        stream(dataset, labelled="one", held_out=Part("labelled", 0, 2))
