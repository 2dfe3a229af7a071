"""Lists of other projects: what is written is read again as the same split, and looks as the published ones do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.__main__ import main
from data_prep.errors import UsageError
from data_prep.labelled.exporting import FOLDERS, LINES, Format, export_split
from data_prep.labelled.importing import import_ids
from data_prep.prepare import content_hash
from data_prep.schema import MANIFEST, DataError, load_manifest
from data_prep.splits import make_split


def pretend(data: Path, source: str, **options: object) -> Path:
    """The same rows as if another source had made them."""
    manifest = load_manifest(data)
    changed = replace(manifest, source=source, options={**manifest.options, **options})
    digest = content_hash(source, changed.options, changed.classes, changed.splits)
    (data / MANIFEST).write_text(replace(changed, content_hash=digest).to_json())
    return data


CASES = [("scenes", "ids"), ("scenes", "ctt"), *((source, kind) for kind, known in LINES.items() for source in known)]


@pytest.mark.parametrize(("source", "kind"), CASES)
def test_import_of_export_is_the_split(scenes: Path, tmp_path: Path, source: str, kind: Format) -> None:
    pretend(scenes, source)
    split = make_split(scenes, "1/4", seed=3).split
    made = export_split(scenes, "1-4_s3", kind, tmp_path / "list")
    assert (made.labelled, made.unlabelled) == (6, 18)
    _, path, *amount = made.read_again.split()
    again = make_split(scenes, amount[1] if amount else "", ids=Path(path), name="again").split
    assert (again.ids, again.content_hash) == (split.ids, split.content_hash)
    if kind in FOLDERS:
        rest = make_split(scenes, "", ids=tmp_path / "list" / "unlabeled.txt", name="rest").split
        assert len(rest.ids) == 18 and not set(rest.ids) & set(split.ids)
    if kind == "ctt":
        lines = (tmp_path / "list").read_text().splitlines()
        assert len(set(lines)) == 24 and set(lines[:6]) == set(split.ids)


@given(st.lists(st.text("ab_./ -9é", min_size=1, max_size=9), min_size=1, unique=True))
def test_every_id_that_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    names = [name for name in names if name.strip() == name] or ["a"]
    file = tmp_path_factory.mktemp("lists") / "list"
    file.write_text("".join(f"{name}\n" for name in names))
    assert import_ids(file, "", dict.fromkeys(names, (0,)), names) == (sorted(names), [])


PUBLISHED = {
    ("u2pl", "voc"): ("2007_000733", "2007_000733"),
    ("unimatch", "voc"): ("2007_000733", "JPEGImages/2007_000733.jpg SegmentationClass/2007_000733.png"),
    ("pseudoseg", "voc"): ("2007_000733", "2007_000733"),
    ("u2pl", "cityscapes"): (
        "weimar_000085_000019",
        "leftImg8bit/train/weimar/weimar_000085_000019_leftImg8bit.png",
    ),
    ("unimatch", "cityscapes"): (
        "weimar_000085_000019",
        "leftImg8bit/train/weimar/weimar_000085_000019_leftImg8bit.png "
        "gtFine/train/weimar/weimar_000085_000019_gtFine_labelTrainIds.png",
    ),
}


@pytest.mark.parametrize(("kind", "source"), PUBLISHED)
def test_lines_are_those_of_the_published_lists(kind: str, source: str) -> None:
    name, line = PUBLISHED[kind, source]
    assert LINES[kind][source](name) == line


def test_what_cannot_be_written(scenes: Path, tmp_path: Path, raw_folder: Path, prepare_folder: Any, draw: Any) -> None:
    make_split(scenes, "1/4")
    for kind in LINES:
        with pytest.raises(UsageError, match=r"known for voc.* 'scenes'\. Use ids or ctt"):
            export_split(scenes, "1-4_s0", kind, tmp_path / "list")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="ids is one file"):
        export_split(scenes, "1-4_s0", "ids", tmp_path)
    with pytest.raises(DataError, match="no labelled split 'none'"):
        export_split(scenes, "none", "ids", tmp_path / "list")
    pretend(scenes, "cityscapes", extra=True)
    with pytest.raises(DataError, match="belongs to another data set"):
        export_split(scenes, "1-4_s0", "ids", tmp_path / "list")
    make_split(scenes, "1/4")
    with pytest.raises(UsageError, match="train_extra"):
        export_split(scenes, "1-4_s0", "u2pl", tmp_path / "list")
    draw.save(raw_folder / "images" / "k .jpg", draw.picture(1))
    prepare_folder(raw_folder, val_fraction=0)
    make_split(tmp_path / "out", "2", name="two")
    with pytest.raises(DataError, match="'k ' does not fit into a line"):
        export_split(tmp_path / "out", "two", "ids", tmp_path / "list")
    assert not (tmp_path / "list").exists()


def test_the_command(scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_split(scenes, "1/4", name="mine")
    out = str(tmp_path / "order.txt")
    assert main(["split", str(scenes), "--export", "mine", "--format", "ctt", "--out", out]) == 0
    said = capsys.readouterr().out
    assert f"{out}: 6 labelled, 18 unlabelled" in said
    assert said.endswith(f"python -m data_prep split {scenes} --ids {out} --labelled 6\n")
    assert main(said.split("-m data_prep ")[1].split()) == 0
    assert main(["split", str(scenes), "--export", "mine"]) == 2
    assert main(["split", str(scenes), "--labelled", "3", "--out", out]) == 2
    assert set(get_args(Format)) >= set(LINES)


@pytest.mark.real
def test_published_lists_come_out_as_they_went_in(real_data: Path, real_voc: Path, tmp_path: Path) -> None:
    file = real_data / "splits" / "voc" / "classic" / "366" / "labeled.txt"
    make_split(real_voc, "", ids=file, name="classic")
    export_split(real_voc, "classic", "u2pl", tmp_path / "classic")
    written = (tmp_path / "classic" / "labeled.txt").read_text().split()
    known = set(written) | set((tmp_path / "classic" / "unlabeled.txt").read_text().split())
    assert len(known) == 597 and set(written) == known & set(file.read_text().split())
    for line in (real_data / "splits" / "cityscapes" / "train.txt").read_text().split():
        name = Path(line).name.removesuffix("_leftImg8bit.png")
        assert LINES["u2pl"]["cityscapes"](name) == line
