"""The whole way from a raw folder to a manifest: contents, quarantine, interruption, repetition."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep.errors import UsageError
from data_prep.pictures import SHRINKING, read_labels
from data_prep.prepare import Prepared
from data_prep.progress import PROGRESS, Progress
from data_prep.schema import MANIFEST, DataError, Manifest, load_manifest
from data_prep.shards import ShardWriter, column, open_shard, picture_bytes

Run = Callable[..., Prepared]


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def rows_of(out: Path, manifest: Manifest, split: str) -> dict[str, tuple[bytes, bytes | None]]:
    found: dict[str, tuple[bytes, bytes | None]] = {}
    for shard in manifest.splits[split].shards:
        table = open_shard(out / shard.file)
        for row, name in enumerate(column(table, "id")):
            found[name] = (picture_bytes(table, "image", row) or b"", picture_bytes(table, "mask", row))
    return found


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name != PROGRESS}


def test_rows_hold_the_files_bytes_and_the_masks_values(raw_folder: Path, prepare_folder: Run, tmp_path: Path) -> None:
    manifest = prepare_folder(raw_folder).manifest
    train, val = (rows_of(tmp_path / "out", manifest, split) for split in ("train", "val"))
    assert sorted([*train, *val]) == list("abcdefghijyz") and len(val) == 2
    assert list(train) == sorted(train)
    for name, (image, mask) in (train | val).items():
        assert image == (raw_folder / "images" / f"{name}.jpg").read_bytes()
        if name in "yz":
            assert mask is None
        else:
            original = (raw_folder / "masks" / f"{name}.png").read_bytes()
            np.testing.assert_array_equal(read_labels(mask or b"", name), read_labels(original, name))


def test_manifest_counts_against_the_raw_masks(raw_folder: Path, prepare_folder: Run, tmp_path: Path) -> None:
    manifest = prepare_folder(raw_folder).manifest
    assert manifest == load_manifest(tmp_path / "out")
    for name, split in manifest.splits.items():
        masks = [
            read_labels((raw_folder / "masks" / f"{row}.png").read_bytes(), row)
            for row, (_, mask) in rows_of(tmp_path / "out", manifest, name).items()
            if mask is not None
        ]
        stack = np.stack(masks)
        assert split.with_mask == len(masks)
        assert split.pixels == tuple(int((stack == index).sum()) for index in range(3))
        assert split.void_pixels == int((stack == 255).sum())
    assert manifest.sizes == {"min_height": 24, "max_height": 24, "min_width": 32, "max_width": 32}
    assert len(manifest.splits["train"].shards) == 4  # never a single shard


def test_same_input_gives_the_same_bytes_and_hash(raw_folder: Path, prepare_folder: Run, tmp_path: Path) -> None:
    first = prepare_folder(raw_folder, "one", workers=1)
    second = prepare_folder(raw_folder.rename(tmp_path / "moved"), "two", workers=3)
    assert first.manifest.content_hash == second.manifest.content_hash
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_options_change_the_hash(raw_folder: Path, prepare_folder: Run) -> None:
    plain = prepare_folder(raw_folder, "one").manifest
    small = prepare_folder(raw_folder, "two", short_side=16).manifest
    assert plain.content_hash != small.content_hash
    assert "shrinking" not in plain.options and small.options["shrinking"] == SHRINKING
    assert (small.options["short_side"], small.sizes["max_height"], small.sizes["max_width"]) == (16, 16, 21)


def test_a_byte_target_makes_more_shards(raw_folder: Path, prepare_folder: Run) -> None:
    manifest = prepare_folder(raw_folder, shard_mib=1e-4).manifest
    assert [shard.rows for shard in manifest.splits["train"].shards] == [1] * 10


def test_every_bad_file_is_quarantined_with_its_reason(
    raw_folder: Path, prepare_folder: Run, tmp_path: Path, draw: Any
) -> None:
    images, masks = raw_folder / "images", raw_folder / "masks"
    draw.save(images / "a.jpg", draw.encoded(draw.picture(0), "JPEG")[:-40])
    draw.save(masks / "b.png", draw.encoded(draw.labels(1, 3), "PNG")[:-30])
    draw.save(masks / "c.png", draw.labels(2, 3)[:-1])
    wrong = draw.labels(3, 3)
    wrong[5, 5] = 3
    draw.save(masks / "d.png", wrong)
    draw.save(masks / "e.png", draw.picture(4))
    draw.save(images / "f.jpg", b"text")
    draw.save(images / "g.png", draw.picture(6))  # a second image called g
    draw.save(masks / "lost.png", draw.labels(9, 3))
    manifest = prepare_folder(raw_folder, val_fraction=0).manifest
    with (tmp_path / "out" / "quarantine.csv").open() as stream:
        entries = {row["id"]: (row["file"], row["reason"]) for row in csv.DictReader(stream)}
    wanted = {
        "a": ("images/a.jpg", "truncated"),
        "b": ("masks/b.png", "truncated"),
        "c": ("masks/c.png", "size mismatch: mask 23x32, image 24x32"),
        "d": ("masks/d.png", "unknown label value 3 in 1 pixels: 3 classes are named"),
        "e": ("masks/e.png", "colour picture"),
        "f": ("images/f.jpg", "unreadable"),
        "g": ("images/g.png", "second file of the same name"),
        "lost": ("masks/lost.png", "mask without an image"),
    }
    assert entries.keys() == wanted.keys()
    for name, (file, reason) in wanted.items():
        assert entries[name][0] == file and reason in entries[name][1], name
    assert manifest.quarantined == len(wanted)
    assert sorted(rows_of(tmp_path / "out", manifest, "train")) == list("ghijyz")


def test_strict_stops_and_writes_no_manifest(raw_folder: Path, prepare_folder: Run, tmp_path: Path, draw: Any) -> None:
    draw.save(raw_folder / "images" / "f.jpg", b"text")
    with pytest.raises(DataError, match=r"images/f\.jpg: unreadable.*--strict"):
        prepare_folder(raw_folder, strict=True)
    assert not (tmp_path / "out" / MANIFEST).exists()
    assert prepare_folder(raw_folder).manifest.quarantined == 1
    with pytest.raises(DataError, match=r"images/f\.jpg: unreadable.*--strict"):
        prepare_folder(raw_folder, strict=True)  # also when the set is finished already


def test_a_split_that_is_all_bad_is_an_error_with_the_first_reason(
    raw_folder: Path, prepare_folder: Run, tmp_path: Path, draw: Any
) -> None:
    for path in (raw_folder / "images").iterdir():
        draw.save(path, b"text")
    with pytest.raises(DataError, match=r"all 12 images were quarantined, the first because images/a\.jpg: unreadable"):
        prepare_folder(raw_folder, val_fraction=0)
    assert not (tmp_path / "out" / MANIFEST).exists()
    assert len((tmp_path / "out" / "quarantine.csv").read_text().splitlines()) == 13


def test_an_empty_split_is_an_error(raw_folder: Path, tmp_path: Path) -> None:
    from data_prep.options import WriteOptions
    from data_prep.prepare import prepare
    from data_prep.sources.folder import Folder

    raw = Folder(raw_folder, classes="a,b,c").open()
    with pytest.raises(DataError, match=r"split 'val' of folder is empty\. Add images"):
        prepare(replace(raw, splits={**raw.splits, "val": []}), WriteOptions(tmp_path / "o"), print)


def test_up_to_date_writes_nothing(raw_folder: Path, prepare_folder: Run, tmp_path: Path) -> None:
    first = prepare_folder(raw_folder)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    second = prepare_folder(raw_folder)
    assert (first.up_to_date, second.up_to_date) == (False, True)
    assert second.manifest == first.manifest
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == times


def test_an_interrupted_run_continues_at_the_shard(
    raw_folder: Path, prepare_folder: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare_folder(raw_folder, "whole").manifest
    written: list[str] = []
    real = ShardWriter.finish

    def failing(self: ShardWriter) -> Any:
        if self.name == "train-00002.arrow" and self.name not in written:
            written.append(self.name)
            raise KeyboardInterrupt
        written.append(self.name)
        return real(self)

    monkeypatch.setattr(ShardWriter, "finish", failing)
    with pytest.raises(KeyboardInterrupt):
        prepare_folder(raw_folder)
    assert not (tmp_path / "out" / MANIFEST).exists() and not list((tmp_path / "out").glob("*.partial"))
    written.clear()
    written.append("train-00002.arrow")  # fail no more
    assert prepare_folder(raw_folder).manifest == whole
    assert "train-00000.arrow" not in written and "train-00001.arrow" not in written
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_damaged_shard_is_made_again(
    raw_folder: Path, prepare_folder: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare_folder(raw_folder).manifest
    before = contents(tmp_path / "out")
    shard = tmp_path / "out" / "train-00001.arrow"
    shard.write_bytes(shard.read_bytes()[:-1] + b"!")
    with monkeypatch.context() as patch:
        patch.setattr(ShardWriter, "finish", interrupt)
        with pytest.raises(KeyboardInterrupt):
            prepare_folder(raw_folder)
    assert not (tmp_path / "out" / MANIFEST).exists()  # it would name a shard that is not whole
    again = prepare_folder(raw_folder)
    assert not again.up_to_date and again.manifest == whole
    assert contents(tmp_path / "out") == before


def test_a_broken_progress_file_only_costs_time(raw_folder: Path, prepare_folder: Run, tmp_path: Path) -> None:
    whole = prepare_folder(raw_folder).manifest
    (tmp_path / "out" / PROGRESS).write_text("{")
    assert prepare_folder(raw_folder, overwrite=True).manifest == whole


@pytest.mark.parametrize("cut", [2, 40, 400])
def test_a_progress_line_that_was_cut_off_is_made_again(
    raw_folder: Path, prepare_folder: Run, tmp_path: Path, cut: int
) -> None:
    whole = prepare_folder(raw_folder).manifest
    path = tmp_path / "out" / PROGRESS
    text = path.read_text()
    path.write_text(text[:-cut])
    again = prepare_folder(raw_folder)
    assert not again.up_to_date and again.manifest == whole and path.read_text() == text


def test_an_unreadable_manifest_is_written_again(raw_folder: Path, prepare_folder: Run, tmp_path: Path) -> None:
    whole = prepare_folder(raw_folder).manifest
    before = contents(tmp_path / "out")
    (tmp_path / "out" / MANIFEST).write_text("")
    again = prepare_folder(raw_folder)
    assert not again.up_to_date and again.manifest == whole and contents(tmp_path / "out") == before


def test_progress_is_appended_not_written_anew(raw_folder: Path, prepare_folder: Run, tmp_path: Path) -> None:
    saved = []
    real = Progress.save

    def save(self: Progress, folder: Path) -> None:
        saved.append(len(self.parts))
        real(self, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Progress, "save", save)
        prepare_folder(raw_folder, shard_mib=1e-4)
    assert saved == [0]
    assert len((tmp_path / "out" / PROGRESS).read_text().splitlines()) == 1 + 12  # a line a shard


def test_worker_processes_give_the_bytes_of_one(
    raw_folder: Path, prepare_folder: Run, tmp_path: Path, draw: Any
) -> None:
    for number in range(150):
        draw.save(raw_folder / "images" / f"n{number:03d}.jpg", draw.picture(number))
    draw.save(raw_folder / "images" / "n077.jpg", b"text")
    draw.save(raw_folder / "masks" / "lost.png", draw.labels(9, 3))
    kwargs = {"short_side": 20, "shard_mib": 0.01}
    one = prepare_folder(raw_folder, "one", workers=1, **kwargs).manifest
    two = prepare_folder(raw_folder, "two", workers=2, **kwargs).manifest
    assert one == two and one.quarantined == 2
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_another_data_set_is_not_overwritten_unasked(
    raw_folder: Path, prepare_folder: Run, tmp_path: Path, draw: Any
) -> None:
    prepare_folder(raw_folder, shard_mib=1e-4)
    draw.save(raw_folder / "images" / "new.jpg", draw.picture(99))
    with pytest.raises(DataError, match="--overwrite"):
        prepare_folder(raw_folder, shard_mib=1)
    manifest = prepare_folder(raw_folder, shard_mib=1, overwrite=True).manifest
    assert "new" in rows_of(tmp_path / "out", manifest, "train")
    named = {shard.file for split in manifest.splits.values() for shard in split.shards}
    assert {path.name for path in (tmp_path / "out").glob("*.arrow")} == named  # none of the old ones is left


@pytest.mark.parametrize("options", [{"shard_mib": 0}, {"short_side": 3}, {"workers": 0}])
def test_senseless_options(raw_folder: Path, prepare_folder: Run, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--" + next(iter(options)).replace("_", "-")):
        prepare_folder(raw_folder, **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not valid JSON"), ("[]", "schema version None"), ('{"schema_version": 99}', "schema version 99")],
)
def test_unreadable_manifests(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(DataError, match=message + ".*Prepare the data set again"):
        load_manifest(tmp_path)


def test_a_manifest_without_a_field(raw_folder: Path, prepare_folder: Run, tmp_path: Path) -> None:
    prepare_folder(raw_folder)
    path = tmp_path / "out" / MANIFEST
    raw = json.loads(path.read_text())
    del raw["classes"]
    path.write_text(json.dumps(raw))
    with pytest.raises(DataError, match=r"lacks or misnames a field .'classes'"):
        load_manifest(tmp_path / "out")
