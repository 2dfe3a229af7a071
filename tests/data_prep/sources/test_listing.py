"""The walk over a folder against the plain way with paths."""

from __future__ import annotations

from pathlib import Path

from data_prep.sources.listing import files_by_stem

FILES = [
    "b.jpg",
    "a/z.JPG",
    "a-b/c.png",
    "a/b/c.jpg",
    "a/b/c.png",
    ".hidden.jpg",
    "a/notes.txt",
    "a.b.jpg",
    "jpg",
    "a/.x/y.jpg",
]


def test_files_by_stem_against_paths(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found: dict[str, str] = {}
    doubled = []
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file() and path.suffix.lower() in (".jpg", ".png") and not path.name.startswith("."):
            stem = path.relative_to(tmp_path).with_suffix("").as_posix()
            if stem in found:
                doubled.append((stem, str(path)))
            else:
                found[stem] = str(path)
    assert len(found) == 6 and [stem for stem, _ in doubled] == ["a/b/c"]
    its_found, its_doubled = files_by_stem(tmp_path, (".jpg", ".png"))
    assert list(its_found.items()) == list(found.items()) and its_doubled == doubled
