"""The table of colours: what a line says, and tables that contradict themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.errors import UsageError
from data_prep.schema import DataError
from data_prep.sources.colours import read_colours


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "colours.csv"
    path.write_text(text)
    return path


def test_names_colours_and_void(tmp_path: Path) -> None:
    text = "\ufeffname,r,g,b\nroad, 128,64,128\n\nlow, wall,1,2,3\nvoid,0,0,0\nroad,9,9,9\n"
    found = read_colours(table(tmp_path, text))
    assert found.classes == ("road", "low, wall")
    assert found.palette == ((128, 64, 128), (1, 2, 3))
    assert found.train_ids == {(128, 64, 128): 0, (1, 2, 3): 1, (0, 0, 0): 255, (9, 9, 9): 0}
    assert found.lines() == ["#804080 road", "#010203 low, wall", "#000000 void", "#090909 road"]


@pytest.mark.parametrize(
    "line", ["road", "road,1,2", "road,1,2,256", "road,1,2,-3", "road,1,2,x", ",1,2,3", "road,1,2,²"]
)
def test_lines_that_are_no_colour(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match="is not a line name,r,g,b with numbers from 0 to 255"):
        read_colours(table(tmp_path, f"sky,1,1,1\n{line}\n"))


def test_one_colour_of_two_names(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="#010101 is both 'sky' and 'sea'"):
        read_colours(table(tmp_path, "sky,1,1,1\nsea,1,1,1\n"))


def test_void_alone_is_no_class(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="0 class names"):
        read_colours(table(tmp_path, "void,1,1,1\n"))
    with pytest.raises(DataError, match="cannot read the list"):
        read_colours(tmp_path / "nowhere.csv")
