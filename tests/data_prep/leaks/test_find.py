"""Planted leaks are found, and the data sets that we know are clean."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_prep.__main__ import main
from data_prep.errors import UsageError
from data_prep.leaks.find import LEAKS, NEAR, find_leaks
from data_prep.leaks.pairs_sheet import COUNT, draw_pairs
from data_prep.leaks.report import Leaks
from data_prep.schema import load_manifest
from data_prep.sheet import CAPTION, CELL
from data_prep.splits import make_split


def search(data: Path, **options: Any) -> Leaks:
    return find_leaks(data, say=lambda line: None, **options)


Plant = Callable[..., Path]


@pytest.fixture
def planted(tmp_path: Path, draw: Any) -> Plant:
    """Eight training and four validation pictures of 96 x 128; copies: val image → how it comes from train image 'b'."""

    def make(**copies: Callable[[np.ndarray], bytes]) -> Path:
        raw = tmp_path / "raw"
        for number, name in enumerate("abcdefghijkl"):
            split = "train" if name < "i" else "val"
            data = draw.encoded(draw.textured(number, 96, 128), "PNG")
            if name in copies:
                data = copies[name](draw.textured(1, 96, 128))
            draw.save(raw / "images" / split / f"{name}.png", data)
            size = np.asarray(Image.open(raw / "images" / split / f"{name}.png")).shape[:2]
            draw.save(raw / "masks" / split / f"{name}.png", np.zeros(size, np.uint8))
        assert main(["folder", "--raw", str(raw), "--out", str(tmp_path / "out"), "--classes", "a"]) == 0
        return tmp_path / "out"

    return make


def test_a_clean_set(planted: Plant, tmp_path: Path) -> None:
    data = planted()
    leaks = search(data)
    assert (leaks.exact, leaks.near) == (0, 0) and leaks.between[0].groups == {}
    assert leaks.lines()[0].startswith("train and val: 0 exact duplicates, 0 pairs within 8 of 64 bits")
    assert main(["leaks", str(data), "--out", str(tmp_path / "l.png"), "--strict"]) == 0


def test_an_exact_copy_is_three(planted: Plant, tmp_path: Path, draw: Any, capsys: pytest.CaptureFixture[str]) -> None:
    data = planted(j=lambda picture: draw.encoded(picture, "PNG"))
    found = search(data).between[0]
    assert (found.exact, found.near, found.first_images, found.second_images) == (1, 1, 1, 1)
    assert (found.nearest[0].first, found.nearest[0].second, found.nearest[0].same_bytes) == ("b", "j", True)
    capsys.readouterr()
    assert main(["leaks", str(data), "--out", str(tmp_path / "l.png")]) == 3
    assert "   0 bits  b  j  same bytes" in capsys.readouterr().out


def test_near_copies_are_reported_and_three_when_strict(planted: Plant, tmp_path: Path, draw: Any) -> None:
    def smaller(picture: np.ndarray) -> bytes:
        return draw.encoded(np.asarray(Image.fromarray(picture).resize((100, 75), Image.Resampling.BOX)), "PNG")

    data = planted(i=smaller, l=lambda picture: draw.encoded(np.ascontiguousarray(picture[2:-2, 3:-3]), "PNG"))
    leaks = search(data)
    found = leaks.between[0]
    assert (found.exact, found.near, found.first_images, found.second_images) == (0, 2, 1, 2)
    assert {pair.second for pair in found.nearest if pair.bits <= NEAR} == {"i", "l"}
    sheet = tmp_path / "l.png"
    assert main(["leaks", str(data), "--out", str(sheet)]) == 0
    assert main(["leaks", str(data), "--out", str(sheet), "--strict"]) == 3
    assert main(["leaks", str(data), "--out", str(sheet), "--strict", "--near", "0"]) in (
        0,
        3,
    )  # equal looks may remain
    assert Image.open(sheet).size[0] == 2 * 2 * CELL and (Image.open(sheet).size[1]) % (CELL + CAPTION) == 0


def test_labelled_images_and_groups(planted: Plant, draw: Any, tmp_path: Path) -> None:
    data = planted(k=lambda picture: draw.encoded(picture, "PNG"))
    names = {"with": "a\nb\n", "without": "a\nc\n"}
    for name, text in names.items():
        (tmp_path / name).write_text(text)
        make_split(data, "", ids=tmp_path / name, name=name)
    (data / "splits" / "torn.json").write_text("{")
    leaks = search(data, group=r"prefix:[abk]|.*")
    assert {leak.name: (leak.split, leak.images) for leak in leaks.labelled} == {
        "with": ("val", 1),
        "without": ("val", 0),
    }
    assert "labelled with and val: 1 images of val have a near one" in leaks.lines()
    shared = search(data, group=r"prefix:()")  # everything is one group
    assert shared.between[0].groups == {"": (8, 4)} and all(leak.groups == ("",) for leak in shared.labelled)


def test_the_record(planted: Plant) -> None:
    data = planted()
    leaks = search(data, near=3)
    raw = json.loads((data / LEAKS).read_text())
    assert raw == json.loads(json.dumps(leaks.to_dict())) and raw["near_bits"] == 3
    assert raw["data_hash"] == load_manifest(data).content_hash
    before = (data / LEAKS).read_bytes()
    search(data, near=3)
    assert (data / LEAKS).read_bytes() == before


def test_the_sheet_shows_the_nearest(planted: Plant, tmp_path: Path, draw: Any) -> None:
    data = planted(i=lambda picture: draw.encoded(picture, "PNG"))
    leaks = search(data)
    only = replace(leaks.between[0], nearest=leaks.between[0].nearest[:1])
    assert draw_pairs(data, replace(leaks, between=(only,)), tmp_path / "one.png")
    sheet = np.asarray(Image.open(tmp_path / "one.png"))
    np.testing.assert_array_equal(sheet[:CELL, :CELL], sheet[:CELL, CELL : 2 * CELL])  # the same picture twice
    assert not draw_pairs(data, replace(leaks, between=(replace(only, nearest=()),)), tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_mistakes(planted: Plant, tmp_path: Path) -> None:
    data = planted()
    with pytest.raises(UsageError, match="--near 17: from 0 to 16 bits"):
        search(data, near=17)
    assert main(["leaks", str(data), "--out", str(tmp_path / "l.gif")]) == 2
    assert main(["leaks", str(tmp_path / "nothing"), "--out", str(tmp_path / "l.png")]) == 3


@pytest.mark.real
def test_what_the_true_sets_hold(real_camvid: Path, real_voc: Path, tmp_path: Path) -> None:
    """No copies in either; CamVid's val is a stretch of a drive of train."""
    camvid = search(real_camvid)
    assert (camvid.exact, camvid.near, camvid.group) == (0, 0, "camvid")
    assert camvid.between[0].groups == {"0016E5": (204, 101)}
    voc = search(real_voc)
    assert (voc.exact, voc.near, voc.group) == (0, 0, "")
    assert min(pair.bits for pair in voc.between[0].nearest) >= 10 and draw_pairs(real_voc, voc, tmp_path / "p.png")
    assert Image.open(tmp_path / "p.png").size[1] == COUNT // 2 * (CELL + CAPTION)
