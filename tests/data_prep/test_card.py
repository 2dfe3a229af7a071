"""The card says what the folder holds, in the same bytes every time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from data_prep.__main__ import main
from data_prep.card import write_card
from data_prep.card_sections import table
from data_prep.errors import UsageError
from data_prep.leaks.find import LEAKS, find_leaks
from data_prep.pictures import read_labels
from data_prep.schema import load_manifest
from data_prep.shards import open_shard, picture_bytes
from data_prep.splits import make_split


def cells(text: str, start: str) -> list[str]:
    """The cells of the only table line that begins so."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {start} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_what_it_says(scenes: Path, tmp_path: Path) -> None:
    split = make_split(scenes, "1/4", seed=3).split
    card = write_card(scenes, scenes / "CARD.md")
    text, manifest = card.card.read_text(), load_manifest(scenes)
    sizes = section(text, "Splits")
    assert cells(sizes, "train")[:3] == ["train", "24", "24"] and cells(sizes, "val")[:3] == ["val", "8", "8"]
    masks = [
        read_labels(picture_bytes(open_shard(scenes / shard.file), "mask", row) or b"", "x")
        for shard in manifest.splits["train"].shards
        for row in range(shard.rows)
    ]
    for index, (name, colour) in enumerate(zip(manifest.classes, manifest.palette, strict=True)):
        share = sum((mask == index).sum() for mask in masks) / sum((mask != 255).sum() for mask in masks)
        holders = sum((mask == index).any() for mask in masks)
        said = cells(section(text, "Classes"), str(index))
        assert said[:5] == [str(index), name, ",".join(map(str, colour)), f"{share:.3%}", str(holders)]
    named = cells(text, "1-4_s3")
    assert (named[1], named[4], named[5]) == ("6", "3", f"`{split.content_hash[:16]}`")
    assert manifest.licence in section(text, "Licence") and manifest.content_hash in section(text, "How it was made")
    assert all(shard.sha256 in text for summary in manifest.splits.values() for shard in summary.shards)
    assert cells(text, "version") and "Nothing." in section(text, "Left out")
    for picture in (card.sheet, card.plot):
        assert f"]({picture.name})" in text and np.asarray(Image.open(picture)).std() > 5
    assert str(tmp_path) not in text


def test_the_same_bytes_every_time(scenes: Path) -> None:
    card = write_card(scenes, scenes / "CARD.md")
    before = [path.read_bytes() for path in vars(card).values()]
    write_card(scenes, scenes / "CARD.md")
    assert [path.read_bytes() for path in vars(card).values()] == before


def test_leaks_are_told_when_they_were_looked_for(scenes: Path) -> None:
    def said() -> str:
        return section(write_card(scenes, scenes / "CARD.md").card.read_text(), "Leaks between the splits")

    assert "Not looked for yet" in said()
    find_leaks(scenes, group="prefix:[a-z]+", say=lambda line: None)
    found = json.loads((scenes / LEAKS).read_text())["between"][0]
    assert f"| train, val | 0 | {found['near']} | - |" in said()
    record = json.loads((scenes / LEAKS).read_text())
    (scenes / LEAKS).write_text(json.dumps({**record, "data_hash": "another"}))
    assert "Not looked for yet" in said()


def test_quarantine_strangers_and_odd_names(raw_folder: Path, prepare_folder: Any, tmp_path: Path, draw: Any) -> None:
    draw.save(raw_folder / "masks" / "a.png", b"no picture")
    draw.save(raw_folder / "masks" / "b.png", draw.labels(0, 9))
    prepare_folder(raw_folder, val_fraction=0)
    out = tmp_path / "out"
    made = make_split(out, "2", name="old")
    made.path.write_text(made.path.read_text().replace(made.split.data_hash, "0" * 64))
    text = write_card(out, tmp_path / "elsewhere" / "CARD.md").card.read_text()
    assert "2 images;" in section(text, "Left out") and cells(text, "unreadable") == ["unreadable", "1"]
    assert "None yet." in text and "Of other data, or unreadable: old." in text
    assert "configs" not in yaml.safe_load(text.split("---")[1])  # its paths would not hold
    assert table(("a|b",), [("x\ny",), (None,)]) == ["| a\\|b |", "| --- |", "| x y |", "|  |"]


def test_the_hub_and_the_library_read_it(scenes: Path) -> None:
    assert main(["card", str(scenes), "--out", str(scenes / "README.md")]) == 0
    front = yaml.safe_load((scenes / "README.md").read_text().split("---")[1])
    assert front["license"] == "other" and front["task_categories"] == ["image-segmentation"]
    assert front["size_categories"] == ["n<1K"]
    code = (
        "import sys; from datasets import load_dataset\n"
        "rows = load_dataset(sys.argv[1], streaming=True)\n"
        "print({name: [row['id'] for row in rows[name]][-1] for name in rows})"
    )
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "USE_TORCH": "0"}
    done = subprocess.run([sys.executable, "-c", code, str(scenes)], capture_output=True, text=True, env=env)
    assert done.stdout.strip() == "{'train': 'train_000023', 'val': 'val_000007'}", done.stderr


def test_mistakes(scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"ends in \.md"):
        write_card(scenes, tmp_path / "card.txt")
    assert main(["card", str(tmp_path / "nothing")]) == 3
    capsys.readouterr()
    assert main(["card", str(scenes), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["card"] == str(scenes / "CARD.md")


@pytest.mark.real
def test_a_card_of_true_data(real_camvid: Path, tmp_path: Path) -> None:
    text = write_card(real_camvid, tmp_path / "CARD.md").card.read_text()
    assert cells(text, "3")[:5] == ["3", "road", "128,64,128", "32.960%", "367"]  # 33.0 % as its README says
