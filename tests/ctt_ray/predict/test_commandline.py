"""The command on images of every kind: masks at their size, bad ones named, mistakes told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_scenes import make_scenes, save_checkpoint

from ctt_ray.engine import Engine
from ctt_ray.engine.evaluation import probabilities
from ctt_ray.engine.networks import set_mode
from ctt_ray.maths import labels
from ctt_ray.predict.__main__ import main
from ctt_ray.predict.pictures import overlay
from ctt_ray.predict.predictor import Predictor
from ctt_ray.restored import open_run
from data_prep.schema import load_manifest

WINDOW = (32, 32)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_scenes(tmp_path_factory.mktemp("scenes"), train=2, val=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module", autouse=True)
def engine(run: Path, data: Path) -> Engine:
    """s1 is the better student here, t0 the best of all."""
    engine = save_checkpoint(run, data, metrics={"miou/s0": 3.0, "miou/s1": 4.0, "miou/t0": 9.0})
    for net in engine.networks.values():
        set_mode(net, training=False, batchnorm=False)
    return engine


def noise(height: int, width: int, *, channels: int = 3, seed: int = 0) -> Any:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def plain(engine: Engine, image_HW3: Any, *names: str, mode: Any = "whole") -> Any:
    """Labels by the mean probability of some networks, through no code of the room."""
    image = torch.from_numpy(image_HW3).permute(2, 0, 1)[None]
    probs = [probabilities(engine.networks[name], image, mode=mode, window=WINDOW) for name in names]
    return (sum(probs) / len(probs))[0].argmax(0).numpy()


def mask(out: Path, name: str = "a.png") -> Any:
    return np.asarray(Image.open(out / "masks" / name))


def test_images_of_every_size_and_kind(run: Path, engine: Engine, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    pictures = {
        "tiny.png": noise(17, 23),
        "sub/long.png": noise(5, 90),
        "one.png": noise(1, 1),
        "grey.png": noise(20, 30, channels=1),
        "clear.png": noise(40, 33, channels=4),
        "deep.png": noise(20, 21, channels=1).astype(np.uint16) * 257,
    }
    for name, pixels in pictures.items():
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(photos / name)
    assert main([str(run), str(photos), "--out", str(tmp_path / "out")]) == 0
    palette = load_manifest(open_run(run).config.data).palette
    for name, pixels in pictures.items():
        if pixels.dtype == np.uint16:
            pixels = (pixels >> 8).astype(np.uint8)
        rgb = np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels[..., :3].copy()
        expected = plain(engine, rgb, "s1")
        assert np.array_equal(mask(tmp_path / "out", name), expected), name
        shown = np.asarray(Image.open(tmp_path / "out" / "overlays" / name))
        assert np.array_equal(shown, overlay(rgb, expected.astype(np.uint8), palette, alpha=0.5))


@pytest.mark.parametrize(
    ("flags", "members", "mode"),
    [
        ([], ("s1",), "whole"),
        (["--network", "t0"], ("t0",), "whole"),
        (["--network", "ensemble"], ("s0", "s1"), "whole"),
        (["--mode", "slide"], ("s1",), "slide"),
        (["--mode", "half"], ("s1",), "half"),
    ],
)
def test_networks_and_modes(run: Path, engine: Engine, tmp_path: Path, flags, members, mode) -> None:
    Image.fromarray(noise(50, 70)).save(tmp_path / "a.png")
    assert main([str(run), str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), *flags]) == 0
    assert np.array_equal(mask(tmp_path / "out"), plain(engine, noise(50, 70), *members, mode=mode))


def test_shrunk_for_the_network_and_back_at_full_size(run: Path, engine: Engine, tmp_path: Path) -> None:
    image = noise(64, 80).repeat(2, 0).repeat(2, 1)  # area averaging by 2 gives the small one back
    Image.fromarray(image).save(tmp_path / "a.png")
    assert main([str(run), str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--short-side", "64"]) == 0
    small = torch.from_numpy(noise(64, 80)).permute(2, 0, 1)[None]
    probs = probabilities(engine.networks["s1"], small, mode="whole", window=WINDOW)
    expected = labels.upsample(probs, (128, 160))[0].argmax(0).numpy()
    assert np.array_equal(mask(tmp_path / "out"), expected)


def test_bad_images_are_named_and_the_others_made(run: Path, tmp_path: Path, capsys) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.jpg", "a.png", "z.png"):
        Image.fromarray(noise(20, 20)).save(photos / name)
    (photos / "empty.png").touch()
    (photos / "text.jpg").write_text("no picture")
    assert main([str(run), str(photos), "--out", str(tmp_path / "out"), "--json"]) == 3
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["failed"] == {
        str(photos / "empty.png"): "the file is empty",
        str(photos / "text.jpg"): "not a picture in a known format",
    }
    assert (found["written"], found["network"]) == (3, "s1")
    for folder in ("masks", "overlays"):
        assert sorted(p.name for p in (tmp_path / "out" / folder).iterdir()) == ["a.jpg.png", "a.png.png", "z.png"]
    assert main([str(run), str(photos), "--out", str(tmp_path / "out")]) == 3
    out, err = capsys.readouterr()
    assert "3 of 5 images by s1" in out and "2 of 5 images failed:" in err and "empty.png: the file is empty" in err


def test_too_small_and_too_large_are_bad_images(run: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    Image.fromarray(noise(1, 9)).save(tmp_path / "a.png")
    argv = [str(run), str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]
    assert main([*argv, "--mode", "half"]) == 3
    assert "1x9 pixels have no half size; use --mode whole" in capsys.readouterr().err

    def full(self: Predictor, image: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Predictor, "_mean", full)
    assert main(argv) == 3
    assert "do not fit into memory; use --mode slide or --short-side" in capsys.readouterr().err


def test_what_the_ids_mean_stands_beside_the_masks(run: Path, data: Path, tmp_path: Path) -> None:
    Image.fromarray(noise(9, 9)).save(tmp_path / "a.png")
    assert main([str(run), str(tmp_path / "*.png"), "--out", str(tmp_path / "out"), "--overlay-alpha", "1"]) == 0
    rows = [line.split(",") for line in (tmp_path / "out" / "classes.csv").read_text().splitlines()]
    manifest = load_manifest(data)
    assert rows[0] == ["id", "class", "red", "green", "blue"]
    assert [(int(k), name, *map(int, rgb)) for k, name, *rgb in rows[1:]] == [
        (k, name, *colour) for k, (name, colour) in enumerate(zip(manifest.classes, manifest.palette, strict=True))
    ]
    shown = np.asarray(Image.open(tmp_path / "out" / "overlays" / "a.png"))
    assert np.array_equal(shown, np.array(manifest.palette, np.uint8)[mask(tmp_path / "out")])


def test_a_run_trained_on_smaller_images_is_said(data: Path, tmp_path: Path, capsys) -> None:
    copy = tmp_path / "data"
    copy.mkdir()
    text = json.loads((data / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**text, "options": {**text["options"], "short_side": 24}}))
    save_checkpoint(tmp_path / "run", copy, method="supervised")
    Image.fromarray(noise(9, 9)).save(tmp_path / "a.png")
    argv = [str(tmp_path / "run"), str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]
    assert main(argv) == 0
    assert "add --short-side 24" in capsys.readouterr().err
    assert main([*argv, "--short-side", "24"]) == 0
    assert "add --short-side" not in capsys.readouterr().err


def test_mistakes(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "a.png"
    Image.fromarray(noise(9, 9)).save(image)
    out = ["--out", str(tmp_path / "out")]
    for argv, code, message in (
        ([str(tmp_path / "gone"), str(image), *out], 2, "no run at"),
        ([str(tmp_path), str(image), *out], 2, "holds no checkpoint yet"),
        ([str(run), str(image), *out, "--network", "t9"], 2, "there are: s0, s1, t0, t1, ensemble"),
        ([str(run), str(image), "--out", str(image)], 2, "is a file; name a folder"),
        ([str(run), str(tmp_path / "gone.png"), *out], 3, "no file and no folder"),
        ([str(run), str(image), "--out", str(image / "below")], 4, "Make room or give rights"),
    ):
        assert main(argv) == code, argv
        shown = capsys.readouterr()
        assert message in shown.err and "Traceback" not in shown.err and shown.out == ""
    assert not (tmp_path / "out").exists()
    for flags in ([], [*out, "--overlay-alpha", "2"], [*out, "--mode", "full"]):
        with pytest.raises(SystemExit) as caught:
            main([str(run), str(image), *flags])
        assert caught.value.code == 2


def test_ctrl_c_says_how_far_it_came(run: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(noise(9, 9)).save(tmp_path / name)
    label, seen = Predictor.label, []

    def interrupted(self: Predictor, image: Any) -> Any:
        seen.append(image)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return label(self, image)

    monkeypatch.setattr(Predictor, "label", interrupted)
    assert main([str(run), str(tmp_path), "--out", str(tmp_path / "out")]) == 75
    assert "interrupted after 1 of 3 images" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "out" / "masks").iterdir()] == ["a.png"]


def test_help_and_a_missing_run_load_no_torch() -> None:
    code = (
        "import sys\nfrom ctt_ray.predict.__main__ import main\n"
        "assert main(['nowhere', 'a.png', '--out', 'o']) == 2\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "print('LOADED', sorted({'torch', 'ray', 'optuna', 'pyarrow', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--overlay-alpha" in done.stdout and "LOADED []" in done.stdout and "no run at nowhere" in done.stderr
