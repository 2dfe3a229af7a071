"""The Arrow files: same bytes twice, random access through a memory map, and `datasets` opens them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from data_prep.files import sha256_of
from data_prep.pictures import encode_image, encode_mask, read_image, read_labels
from data_prep.schema import DataError
from data_prep.shards import BATCH_ROWS, Row, open_shard, picture_bytes, schema, shard_is_full, write_shard

ROWS = 2 * BATCH_ROWS + 3


def pixels(index: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(index)
    return rng.integers(0, 256, (6, 7, 3), dtype=np.uint8), rng.integers(0, 4, (6, 7), dtype=np.uint8)


def rows() -> list[Row]:
    made = []
    for index in range(ROWS):
        image, mask = pixels(index)
        unlabelled = index % 5 == 4
        present = None if unlabelled else tuple(np.unique(mask).tolist())
        stored = None if unlabelled else encode_mask(mask)
        made.append(Row(f"id{index:03d}", encode_image(image, as_jpeg=False), stored, 6, 7, present))
    return made


def test_same_rows_give_same_bytes_and_the_record_describes_them(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first = write_shard(tmp_path, "train-00000.arrow", rows())
    second = write_shard(tmp_path / "again", "train-00000.arrow", rows())
    data = (tmp_path / "train-00000.arrow").read_bytes()
    assert data == (tmp_path / "again" / "train-00000.arrow").read_bytes()
    assert first == second
    assert (first.rows, first.bytes, first.sha256) == (ROWS, len(data), sha256_of(tmp_path / first.file))
    assert not list(tmp_path.glob("*.partial"))


def test_random_access_through_a_memory_map(tmp_path: Path) -> None:
    write_shard(tmp_path, "s.arrow", rows())
    before = pa.total_allocated_bytes()
    table = open_shard(tmp_path / "s.arrow")
    assert pa.total_allocated_bytes() == before  # the table is a view of the file
    for row in (ROWS - 1, 0, BATCH_ROWS, 9):
        image, mask = pixels(row)
        assert table.column("id")[row].as_py() == f"id{row:03d}"
        np.testing.assert_array_equal(read_image(picture_bytes(table, "image", row) or b"", ""), image)
        stored = picture_bytes(table, "mask", row)
        if row % 5 == 4:
            assert stored is None and table.column("classes")[row].as_py() is None
        else:
            np.testing.assert_array_equal(read_labels(stored or b"", ""), mask)
            assert table.column("classes")[row].as_py() == np.unique(mask).tolist()


def test_batches_are_small(tmp_path: Path) -> None:
    write_shard(tmp_path, "s.arrow", rows())
    with pa.memory_map(str(tmp_path / "s.arrow")) as source:
        reader = pa.ipc.open_file(source)
        assert [reader.get_batch(i).num_rows for i in range(reader.num_record_batches)] == [BATCH_ROWS, BATCH_ROWS, 3]


def test_hand_written_features_are_those_of_the_library() -> None:
    datasets = pytest.importorskip("datasets")
    picture, integer = datasets.Image(), datasets.Value("int32")
    wanted = datasets.Features(
        {
            "id": datasets.Value("string"),
            "image": picture,
            "mask": picture,
            "height": integer,
            "width": integer,
            "classes": datasets.List(datasets.Value("uint8")),
        }
    )
    assert datasets.Features.from_arrow_schema(schema()) == wanted
    assert schema().equals(wanted.arrow_schema, check_metadata=False)


def test_datasets_streams_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    names = []
    for number, part in enumerate((rows()[:20], rows()[20:])):
        names.append(str(tmp_path / f"train-{number:05d}.arrow"))
        write_shard(tmp_path, Path(names[-1]).name, part)
    stream = datasets.load_dataset("arrow", data_files=names, split="train", streaming=True)
    count = 0
    for index, row in enumerate(stream):
        image, mask = pixels(index)
        assert (row["id"], row["height"], row["width"]) == (f"id{index:03d}", 6, 7)
        np.testing.assert_array_equal(np.asarray(row["image"]), image)
        assert (row["mask"] is None) == (index % 5 == 4)
        if row["mask"] is not None:
            assert row["mask"].mode == "L"
            np.testing.assert_array_equal(np.asarray(row["mask"]), mask)
        count += 1
    assert count == ROWS


@pytest.mark.parametrize(
    ("n", "nbytes", "items", "full"),
    [
        (1, 10, 4, True),
        (1, 10, 5, False),
        (2, 10, 5, True),
        (3, 99, 100, False),
        (3, 100, 100, True),
        (25, 0, 100, True),
    ],
)
def test_cutting_rule(n: int, nbytes: int, items: int, full: bool) -> None:
    assert shard_is_full(n, nbytes, split_items=items, target_bytes=100) is full


def test_a_file_that_is_no_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.arrow").write_bytes(b"not arrow at all, but long enough to look at")
    with pytest.raises(DataError, match=r"x\.arrow.*Prepare the data set again"):
        open_shard(tmp_path / "x.arrow")
