"""Which images are meant and what their results are called: none lost, none written over another."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctt_ray.predict.inputs import gather, result_names
from data_prep.schema import DataError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names_of(text: str | Path, out: Path = Path("nowhere")) -> dict[str, str]:
    """Image's own name → result's path."""
    return {job.image.name: job.name.as_posix() for job in gather(str(text), out=out).jobs}


def test_one_file(tmp_path: Path) -> None:
    touch(tmp_path, "a/b.JPG")
    assert names_of(tmp_path / "a" / "b.JPG") == {"b.JPG": "b.png"}


def test_a_folder_at_any_depth_with_its_folders_kept(tmp_path: Path) -> None:
    touch(tmp_path, "x.jpg", "a/y.PNG", "a/b/z.jpeg", "a/b/x.png", "notes.txt", "old.tif")
    inputs = gather(str(tmp_path), out=tmp_path / "out")
    assert [job.name.as_posix() for job in inputs.jobs] == ["a/b/x.png", "a/b/z.png", "a/y.png", "x.png"]
    assert inputs.left_out == 2


def test_results_of_an_earlier_time_are_no_inputs(tmp_path: Path) -> None:
    touch(tmp_path, "x.jpg", "out/masks/x.png", "out/overlays/x.png", "masks/m.png")
    assert names_of(tmp_path, out=tmp_path / "out") == {"x.jpg": "x.png", "m.png": "masks/m.png"}


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.png", {"p.png": "p.png"}),
        ("a/*/img.png", {"img.png": "2/img.png"}),
        ("a/**/*.png", {"img.png": "2/img.png", "q.png": "q.png"}),
        ("a/?/img.*", {"img.png": "2/img.png", "img.tif": "1/img.png"}),
    ],
)
def test_patterns_keep_what_lies_below_their_fixed_part(tmp_path: Path, pattern: str, found: dict[str, str]) -> None:
    touch(tmp_path, "p.png", "a/q.png", "a/1/img.tif", "a/2/img.png")
    assert names_of(tmp_path / pattern) == found


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "a[1].png")
    assert names_of(tmp_path / "a[1].png") == {"a[1].png": "a[1].png"}


@pytest.mark.parametrize(
    ("text", "message"),
    [("gone.jpg", "no file and no folder"), ("*.jpg", "no file matches"), (".", "no jpg or png in")],
)
def test_no_image_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    monkeypatch.chdir(touch(tmp_path, "a.txt"))
    with pytest.raises(DataError, match=message):
        gather(text, out=tmp_path / "out")


def test_equal_stems_keep_their_suffix_and_equal_names_their_folder() -> None:
    given_names = ["a.jpg", "a.png", "b.jpg", "c/a.jpg", "d/a.jpg", "a.jpg.png"]
    assert [name.as_posix() for name in result_names([Path(name) for name in given_names])] == [
        "a.jpg.png", "a.png.png", "b.png", "c/a.png", "d/a.png", "a.jpg.png.png",
    ]  # fmt: skip


def picture(start: str, suffix: str) -> Path:
    """A path that ends in the suffix, with a stem before it where `start` gives none."""
    return Path(start + suffix if Path(start + suffix).suffix else f"{start}a{suffix}")


starts = st.lists(st.sampled_from(["a", ".png", ".jpg", "b/"]), max_size=4).map("".join)


@given(st.lists(st.builds(picture, starts, st.sampled_from([".png", ".jpg"])), unique=True, max_size=12))
def test_no_two_inputs_ever_share_a_result(relative: list[Path]) -> None:
    names = result_names(relative)
    assert len(set(names)) == len(relative)
    for path, name in zip(relative, names, strict=True):
        assert name.parent == path.parent and name.name.startswith(path.stem) and name.suffix == ".png"
