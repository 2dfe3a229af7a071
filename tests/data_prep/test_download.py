"""`voc --download`, with a torchvision that writes a tiny VOC instead of fetching the true one."""

import textwrap
from pathlib import Path

import pytest

from data_prep import download
from data_prep.schema import DataError
from data_prep.sources.voc import Voc

TINY = """
    from pathlib import Path

    def VOCSegmentation(root, year, image_set, download):
        assert (year, image_set, download) == ("2012", "trainval", True)
        print("100%")  # torchvision's progress
        lists = Path(root) / "VOCdevkit/VOC2012/ImageSets/Segmentation"
        lists.mkdir(parents=True)
        (lists / "train.txt").write_text("a\\n")
        (lists / "val.txt").write_text("b\\n")
"""


def fake(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = folder / "fake" / "torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "datasets.py").write_text(textwrap.dedent(code))
    monkeypatch.setenv("PYTHONPATH", str(folder / "fake"))


def test_what_torchvision_brings_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fake(tmp_path, TINY, monkeypatch)
    raw = Voc(tmp_path / "raw", download=True, unlabelled_without_mask=True).open()
    assert [item.id for item in raw.splits["train"]] == ["a"]
    out, err = capfd.readouterr()
    assert out == "" and "100%" in err  # stdout is the result's


def test_a_failed_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, "def VOCSegmentation(*args, **kwargs): raise OSError('no network')", monkeypatch)
    with pytest.raises(DataError, match="leave --download out"):
        download.voc(tmp_path / "raw")
