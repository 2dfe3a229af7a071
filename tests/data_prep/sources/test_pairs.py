"""Lists of images and masks: both formats say the same, and a bad line is named."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import UsageError
from data_prep.schema import DataError
from data_prep.sources.pairs import Pair, _csv_records, _json_records, _pair, read_pairs

WANTED = [
    Pair(PurePosixPath("a b/one.jpg"), PurePosixPath("m/one.png"), "train"),
    Pair(PurePosixPath("two, too.jpg"), None, "val"),
    Pair(PurePosixPath("three.jpg"), None, "train"),
]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_and_jsonl_say_the_same(tmp_path: Path) -> None:
    as_csv = written(
        tmp_path, "l.csv", '\ufeffimage,mask,split\na b/one.jpg,m/one.png,train\n\n"two, too.jpg",,val\nthree.jpg,,\n'
    )
    as_json = written(
        tmp_path,
        "l.jsonl",
        '{"image": "a b/one.jpg", "mask": "m/one.png", "split": "train"}\n\n'
        '{"split": "val", "image": "two, too.jpg", "mask": null}\n{"image": "three.jpg"}\n',
    )
    assert read_pairs(as_csv) == read_pairs(as_json) == WANTED


def test_columns_in_any_order_and_some_absent(tmp_path: Path) -> None:
    assert read_pairs(written(tmp_path, "a.csv", "mask, image\nm.png,i.png\n")) == [
        Pair(PurePosixPath("i.png"), PurePosixPath("m.png"), "train")
    ]
    assert read_pairs(written(tmp_path, "b.CSV", "image\ni.png\n"))[0].mask is None


NAME = st.from_regex(r"[\w ,\"'.-]{0,8}[\w]", fullmatch=True).map(str.strip).filter(lambda name: ".." not in name)


@given(st.lists(st.tuples(NAME, NAME, st.sampled_from(["train", "val", "test"])), min_size=1, max_size=5))
def test_any_names_come_back(rows: list[tuple[str, str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([("image", "mask", "split"), *rows])
    lines = "\n".join(json.dumps(dict(zip(("image", "mask", "split"), row, strict=True))) for row in rows)
    from_csv = [_pair(record) for _, record in _csv_records(Path("l.csv"), text.getvalue())]
    assert from_csv == [_pair(record) for _, record in _json_records(lines)]
    assert [(str(p.image), str(p.mask), p.split) for p in from_csv] == rows


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("l.csv", "image,mask\na.jpg,m.png\nb.jpg\n", "1 bad lines, the first is line 3: 1 cells, the header has 2"),
        (
            "l.csv",
            "image,split\na.jpg,vla\n,train\n",
            "2 bad lines, the first is line 2: unknown split 'vla'. Did you mean",
        ),
        ("l.csv", "image,mask\n,m.png\n", "line 2: no image is named"),
        ("l.csv", "image\n/data/a.jpg\n", "line 2: '/data/a.jpg' leaves the raw folder"),
        ("l.csv", "image\n../a.jpg\n", "leaves the raw folder: write paths relative to --raw"),
        ("l.csv", "image\n.\n", "'.' is not a file"),
        ("l.csv", "a.jpg,m.png\n", "begins 'a.jpg,m.png': the first line names the columns"),
        ("l.csv", "image,label\na.jpg,m.png\n", "the first line names the columns"),
        ("l.csv", "", "begins '': the first line names the columns"),
        ("l.csv", "image,mask\n", "lists no image"),
        ("l.csv", "image\n" + 200_000 * "a", "is not CSV near line 2: field larger"),
        ("l.jsonl", '{"image": "a.jpg"}\n{"image": \n', "1 bad lines, the first is line 2: not JSON"),
        ("l.jsonl", '["a.jpg"]\n', "line 1: not an object like"),
        ("l.jsonl", '"a.jpg"\n', "line 1: not an object like"),
        ("l.jsonl", '{"image": 3}\n', "line 1: image is 3, not a string"),
        ("l.jsonl", '{"image": "a.jpg", "masks": "m.png"}\n', "unknown key 'masks'. Did you mean 'mask'"),
        ("l.jsonl", "\n", "lists no image"),
    ],
)
def test_bad_lists(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_pairs(written(tmp_path, name, text))
    assert message in str(caught.value) and name in str(caught.value)


def test_files_that_are_no_list(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pairs\.txt: a \.csv with a header .* or a \.jsonl file is needed"):
        read_pairs(tmp_path / "pairs.txt")
    with pytest.raises(DataError, match="cannot read the list"):
        read_pairs(tmp_path / "nowhere.csv")
