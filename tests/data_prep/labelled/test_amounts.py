"""Fractions and counts."""

from __future__ import annotations

import pytest

from data_prep.errors import UsageError
from data_prep.labelled.amounts import parse_amount


@pytest.mark.parametrize(
    ("text", "total", "count"),
    [
        ("1/8", 480, 60),
        ("1/8", 10582, 1323),
        ("0.125", 80, 10),
        ("1/16", 24, 2),
        ("40", 480, 40),
        ("1.0", 7, 7),
        ("1/1", 7, 7),
    ],
)
def test_amounts(text: str, total: int, count: int) -> None:
    assert parse_amount(text, total) == count


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "makes 0 labelled images"),
        ("1/100", "makes 0 labelled images"),
        ("-3", "makes -3 labelled"),
        ("21", "only 20 images"),
        ("3/2", "at most 1"),
        ("1/0", "give a fraction"),
        ("many", "give a fraction"),
    ],
)
def test_senseless_amounts(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"--labelled {text}.*{message}|{message}"):
        parse_amount(text, 20)
