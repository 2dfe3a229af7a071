"""Which images belong together."""

from __future__ import annotations

import pytest

from data_prep.errors import UsageError
from data_prep.labelled.groups import group_ids, label_of

CAMVID = ["0001TP_006690", "0006R0_f00930", "0016E5_00390", "0016E5_00420", "Seq05VD_f00000"]
CITIES = ["aachen_000000_000019", "train/aachen_000001_000019", "frankfurt_000000_000294"]


def test_presets() -> None:
    assert list(group_ids("camvid", CAMVID).values()) == ["0001TP", "0006R0", "0016E5", "0016E5", "Seq05VD"]
    assert set(group_ids("cityscapes", CITIES).values()) == {"aachen", "frankfurt"}
    assert group_ids("folder", ["a/b/c", "a/d", "e"]) == {"a/b/c": "a/b", "a/d": "a", "e": "."}


def test_expressions() -> None:
    assert group_ids(r"prefix:t\d", ["t1p2", "t1p3", "t2p1"]) == {"t1p2": "t1", "t1p3": "t1", "t2p1": "t2"}
    assert group_ids(r"prefix:[a-z]+/(\d+)", ["x/1_a", "y/1_b"]) == {"x/1_a": "1", "y/1_b": "1"}
    assert group_ids(r"prefix:a,b", ["a,b1"]) == {"a,b1": "a,b"}


def test_runs_follow_the_numbers() -> None:
    names = [f"f{n}" for n in (1, 2, 9, 10, 11, 100)]
    assert group_ids("run:2", reversed(names)) == {
        "f1": "run of f1", "f2": "run of f1", "f9": "run of f9", "f10": "run of f9", "f11": "run of f11", "f100": "run of f11",
    }  # fmt: skip
    assert set(group_ids("run:99", names).values()) == {"run of f1"}


def test_runs_inside_groups_cross_no_border() -> None:
    groups = group_ids("camvid,run:2", CAMVID)
    assert list(groups.values()) == [f"run of {CAMVID[n]}" for n in (0, 1, 2, 2, 4)]
    assert list(group_ids("prefix:.,run:1", ["ab", "ac"]).values()) == ["run of ab", "run of ac"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("run:0", "number of consecutive ids"),
        ("run:", "number of consecutive ids"),
        ("run:x", "number of consecutive ids"),
        ("camvid,run:-1", "number of consecutive ids"),
        ("town", "choose folder, camvid, cityscapes"),
        ("town,run:2", "choose folder, camvid"),
        ("prefix:(", "not a regular expression"),
        (r"prefix:\d+x", "does not fit the id '0001TP_006690'"),
    ],
)
def test_mistakes(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        group_ids(spec, CAMVID)


def test_labels() -> None:
    assert [label_of(s) for s in ("", "folder", "run:8", "camvid,run:8", "prefix:a,b", "prefix:(x),run:4")] == [
        "", "folder", "run8", "camvid-run8", "prefix", "prefix-run4",
    ]  # fmt: skip
