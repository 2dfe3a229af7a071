"""Which images a campaign takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctt_ray.tune import data
from data_prep.options import WriteOptions
from data_prep.prepare import prepare
from data_prep.schema import DataError, load_labelled_split
from data_prep.sources import scenes as scenes_of
from data_prep.splits import make_split
from tune_spaces import load


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small data set at data/voc, with one labelled split."""
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "data" / "voc"
    prepare(scenes_of.Scenes(size=32, train=12, val=4).open(), WriteOptions(out=out), lambda line: None)
    make_split(out, "4", seed=0, name="1-8_s0")
    return out


def test_the_spaces_own_place_is_found(prepared: Path, tmp_path: Path) -> None:
    choice = data.choose(load("voc"), data="", labelled="", campaign=tmp_path / "c", address="local")
    assert (choice.data, choice.labelled, choice.rehearsal, choice.built_in) == (str(prepared), "1-8_s0", False, False)
    assert choice.space.name == "voc" and choice.space.base["iterations"] == 80_000


def test_a_named_path_wins_and_its_split_must_be_there(prepared: Path, tmp_path: Path) -> None:
    choice = data.choose(load("demo"), data="data/voc", labelled="1-8_s0", campaign=tmp_path / "c", address="local")
    assert choice.data == str(prepared) and not choice.built_in
    assert (
        data.choose(load("demo"), data="data/voc", labelled="all", campaign=tmp_path, address="local").labelled == "all"
    )
    with pytest.raises(DataError, match="there are: 1-8_s0"):
        data.choose(load("demo"), data="data/voc", labelled="", campaign=tmp_path / "c", address="local")
    with pytest.raises(DataError, match="not a prepared data set"):
        data.choose(load("voc"), data="nowhere", labelled="", campaign=tmp_path / "c", address="local")


def test_built_in_images_are_painted_once_with_their_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = scenes_of.Scenes(size=32, train=12, val=4)
    monkeypatch.setattr(scenes_of, "Scenes", lambda: small)
    choice = data.choose(load("demo"), data="", labelled="n5_s3", campaign=tmp_path / "c", address="local")
    assert choice.built_in and not choice.rehearsal
    data.make_built_in(choice)
    split = load_labelled_split(choice.data, "n5_s3")
    assert len(split.ids) == 5 and split.seed == 3
    before = {path: path.stat().st_mtime_ns for path in Path(choice.data).rglob("*.arrow")}
    data.make_built_in(choice)
    assert {path: path.stat().st_mtime_ns for path in Path(choice.data).rglob("*.arrow")} == before != {}
