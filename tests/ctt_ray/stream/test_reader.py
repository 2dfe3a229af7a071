"""Rows as they were written, at random; damage named by shard and row."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ctt_ray.stream.reader import ShardReader
from data_prep.schema import DataError

VERIFY = "Run `python -m data_prep verify"


def test_every_row_is_what_was_written_in_any_order(dataset: Path, picture) -> None:
    reader = ShardReader(dataset, "train")
    for number in np.random.default_rng(0).permutation(len(reader)).tolist():
        id_, image, mask = reader.read(number)
        expected_image, expected_mask = picture(number)
        assert id_ == f"train{number}"
        assert np.array_equal(image, expected_image)
        if number % 6 == 3:
            assert mask is None
        else:
            assert mask is not None
            assert np.array_equal(mask, expected_mask)
            assert np.array_equal(reader.mask(number), expected_mask)


def test_columns_need_no_decoding(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", None)
    reader = ShardReader(dataset, "train")
    assert reader.column("id") == [f"train{number}" for number in range(38)]
    assert reader.masked().tolist() == [number % 6 != 3 for number in range(38)]


def test_rows_per_shard(dataset: Path) -> None:
    reader = ShardReader(dataset, "train")
    assert reader.rows_per_shard(np.arange(38)) == (4, 1, 7, 18, 8)
    assert reader.rows_per_shard(np.array([0, 3, 5, 37])) == (2, 0, 1, 0, 1)


def test_pickles_small_and_reads_on(dataset: Path) -> None:
    reader = ShardReader(dataset, "train")
    reader.read(20)
    packed = pickle.dumps(reader)
    assert len(packed) < 5000
    assert np.array_equal(pickle.loads(packed).read(20)[1], reader.read(20)[1])


@pytest.mark.parametrize("row_number", [-1, 38])
def test_rows_beyond_the_split_are_refused(dataset: Path, row_number: int) -> None:
    with pytest.raises(IndexError, match="which has 38"):
        ShardReader(dataset, "train").read(row_number)


def test_unknown_split_names_the_known_ones(dataset: Path) -> None:
    with pytest.raises(DataError, match="there are: train, val"):
        ShardReader(dataset, "test")


def test_jpeg_and_grey_images_are_rgb(small_data, row) -> None:
    wide = cv2.cvtColor(np.tile(np.arange(64, dtype=np.uint8) * 3, (40, 1)), cv2.COLOR_GRAY2BGR)
    wide[:, :, 0] = 255  # blue
    jpeg = cv2.imencode(".jpg", wide, [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111])[1]
    grey_jpeg, grey_png = (cv2.imencode(kind, wide[:, :, 1])[1] for kind in (".jpg", ".png"))
    bare = row("a", 1, masked=False)
    encoded = [jpeg.tobytes(), grey_jpeg.tobytes(), grey_png.tobytes()]
    reader = ShardReader(small_data([replace(bare, image=data) for data in encoded]), "train")
    images = [reader.read(number)[1] for number in range(3)]
    assert all(image.shape == (40, 64, 3) and image.dtype == np.uint8 for image in images)
    np.testing.assert_allclose(images[0].astype(int), wide[:, :, ::-1], atol=4)
    assert np.array_equal(images[2], wide[:, :, [1, 1, 1]])


def damaged(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: replace(r, image=damaged(r.image)), "the image cannot be decoded"),
        (lambda r: replace(r, image=b"\xff\xd8 no jpeg"), "bad row 1"),
        (lambda r: replace(r, image=b""), "bad row 1"),
        (lambda r: replace(r, mask=b"no png"), "the mask cannot be decoded"),
        (lambda r: replace(r, mask=r.image), r"needed is one 8-bit channel"),
    ],
)
def test_a_bad_row_is_named(small_data, row, change, message: str) -> None:
    good = row("a", 1, masked=True)
    reader = ShardReader(small_data([good, change(good), good]), "train")
    reader.read(0)
    reader.read(2)
    with pytest.raises(DataError, match=rf"train-00000.arrow .*bad row 1.*{VERIFY}") as caught:
        reader.read(1)
    assert caught.match(message)


def test_labels_out_of_range_and_other_sizes_are_named(small_data, row) -> None:
    good, other = row("a", 1, masked=True), row("b", 2, masked=True)
    strange = cv2.imencode(".png", np.full((good.height, good.width), 4, np.uint8))[1].tobytes()
    reader = ShardReader(small_data([replace(good, mask=strange), replace(good, mask=other.mask)]), "train")
    with pytest.raises(DataError, match=r"holds label 4, known are 0\.\.3 and 255"):
        reader.read(0)
    with pytest.raises(DataError, match=r"the image is .* and its mask"):
        reader.read(1)


def test_missing_and_changed_shards_are_named(dataset: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(dataset, tmp_path / "copy"))
    shard = copy / "train-00002.arrow"
    data = shard.read_bytes()
    shard.write_bytes(data[:-10])
    with pytest.raises(DataError, match=rf"train-00002.arrow .*bytes, the manifest says {len(data)}.*{VERIFY}"):
        ShardReader(copy, "train")
    shard.write_bytes(b"?" * len(data))
    with pytest.raises(DataError, match=rf"train-00002.arrow .*no readable Arrow file.*{VERIFY}"):
        ShardReader(copy, "train").read(7)
    shard.unlink()
    with pytest.raises(DataError, match=rf"train-00002.arrow .*is missing.*{VERIFY}"):
        ShardReader(copy, "train")
