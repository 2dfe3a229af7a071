"""URLs: which are stores, which are folders, how their files are named; the client that each gets."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from stores import ENVIRONMENT

from data_prep.errors import DataError
from data_prep.store.place import Place, as_folder, is_url


@pytest.mark.parametrize(
    ("data", "url"),
    [
        ("s3://b/d", True),
        ("gs://b/d", True),
        ("https://h/d", True),
        ("memory://d", True),
        ("file:///a/b", False),
        ("data/voc", False),
        (Path("data"), False),
    ],
)
def test_what_is_read_from_a_store(data: str | Path, url: bool) -> None:
    assert is_url(data) is url


def test_a_folder_by_its_url() -> None:
    assert as_folder("file:///a/b%20c") == Path("/a/b c") == as_folder(Path("/a/b c"))


def test_files_are_named_without_options() -> None:
    assert Place("s3://b/d/?region=eu-west-1").of("splits/a.json") == "s3://b/d/splits/a.json"


def test_s3_takes_region_and_endpoint_from_url_or_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert Place("s3://b/d").filesystem.region == "us-east-1"
    assert Place("s3://b/d?region=eu-west-1").filesystem.region == "eu-west-1"
    assert Place("s3://b/d?region=eu-west-1")._path("m") == "b/d/m" == Place("s3://b/d/")._path("m")
    with pytest.raises(DataError, match="unknown option access_key; there are: region"):
        Place("s3://b/d?access_key=x").filesystem.region  # noqa: B018  # opened when first used


def test_gs_is_googles_client() -> None:
    place = Place("gs://b/d?anonymous=true")
    assert place.filesystem.type_name == "gcs" and place._path("m") == "b/d/m"


def test_what_cannot_be_read_is_said() -> None:
    with pytest.raises(DataError, match=r"nonsense://b/d: .*Install what reads such URLs"):
        Place("nonsense://b/d").filesystem.type_name  # noqa: B018


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(DataError, match="at bucket holds credentials") as said:
        Place("s3://key:verysecret@bucket/d")
    assert "verysecret" not in str(said.value) and "key" not in str(said.value)


def test_travels_as_its_url() -> None:
    place = Place("memory://d")
    assert place.filesystem is not None
    again = pickle.loads(pickle.dumps(place))
    assert again == place and "_opened" not in vars(again)
