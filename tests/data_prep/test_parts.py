"""Parts of a split: disjoint, together the whole, a function of the ids; and what their names mean."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.parts import Part, parse
from data_prep.schema import DataError

IDS = [f"image{n}" for n in range(7)]


@given(st.lists(st.text(max_size=5), min_size=1, max_size=40, unique=True), st.integers(1, 40))
def test_parts_are_disjoint_even_and_together_the_whole(ids: list[str], parts: int) -> None:
    parts = min(parts, len(ids))
    found = [Part("val", part, parts).places(ids) for part in range(parts)]
    assert sorted(place for places in found for place in places) == list(range(len(ids)))
    assert max(map(len, found)) - min(map(len, found)) <= 1
    assert all(places == sorted(places) for places in found)


def test_the_cut_is_that_of_the_hashes_of_the_ids() -> None:
    order = sorted(IDS, key=lambda name: hashlib.sha256(f"0:{name}".encode()).hexdigest())
    for part in range(3):
        assert {IDS[place] for place in Part("val", part, 3).places(IDS)} == set(order[part::3])


def test_an_image_stays_in_its_part_wherever_the_ids_stand() -> None:
    def chosen(ids: list[str]) -> set[str]:
        return {ids[place] for place in Part("val", 1, 2).places(ids)}

    assert chosen(IDS) == chosen(IDS[::-1]) == chosen(IDS[3:] + IDS[:3])


def test_names() -> None:
    assert (parse("val"), parse("val:1/2")) == (Part("val"), Part("val", 1, 2))
    assert parse("labelled:0/4").of_labelled and not parse("train:0/4").of_labelled
    assert [str(parse(name)) for name in ("val", "val:1/3")] == ["val", "val:1/3"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("val:2/2", "counted from 0, so 2 parts are 0 to 1"),
        ("val:0/0", "counted from 0"),
        ("val:1", "write SPLIT:K/N"),
        ("val:a/b", "write SPLIT:K/N"),
        ("val:-1/2", "write SPLIT:K/N"),
        (":0/2", "write SPLIT:K/N"),
        ("labelled", "needs a part"),
        ("labelled:0/1", "leaves none to train on"),
    ],
)
def test_names_that_mean_nothing(name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse(name)


def test_an_empty_part_is_refused() -> None:
    with pytest.raises(DataError, match="'val:3/9' is empty: there are 2 images for 9 parts"):
        Part("val", 3, 9).places(["a", "b"])
