"""Weight files: strict, explained, and only for the backbone."""

from pathlib import Path
from urllib.error import URLError

import pytest
import safetensors.torch
import torch

from ctt_ray import nets
from ctt_ray.nets.torchvision_compat import torchvision

WIDTH = 0.25


def build(init: str, seed: int = 0, width: float = WIDTH) -> nets.SegNet:
    return nets.build(
        arch="deeplabv3plus", backbone="resnet18", classes=3, feature_dim=16, width=width, init=init, seed=seed
    )


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    """A torchvision-like file: the backbone's tensors and a classifier's."""
    source = build("none", seed=9).backbone.state_dict()
    return {**source, "fc.weight": torch.zeros(1000, 128), "fc.bias": torch.zeros(1000)}


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_one_file_gives_equal_backbones_and_different_heads(state, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)
    one, two = build(str(path), seed=1), build(str(path), seed=2)
    for net in (one, two):
        assert all(torch.equal(value, state[key]) for key, value in net.backbone.state_dict().items())
    assert not torch.equal(one.head.classifier.weight, two.head.classifier.weight)
    assert torch.equal(one.head.classifier.weight, build("none", seed=1).head.classifier.weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("layer2.0.conv1.weight"), r"1 missing \(layer2.0.conv1.weight\)"),
        (lambda state: state.update({"stem.weight": torch.zeros(1)}), r"1 unexpected \(stem.weight\)"),
        (lambda state: state.update({"conv1.weight": torch.zeros(2)}), r"1 of another shape \(conv1.weight\)"),
    ],
)
def test_a_file_that_fits_in_part_is_refused_with_what_was_found(state, tmp_path: Path, change, message: str) -> None:
    change(state)
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(nets.WeightsError, match=message + ".*same width, or init=none"):
        build(str(tmp_path / "weights.pth"))


def test_files_from_before_batchnorm_counted_load(state, tmp_path: Path) -> None:
    torch.save({key: value for key, value in state.items() if "num_batches" not in key}, tmp_path / "old.pth")
    assert torch.equal(build(str(tmp_path / "old.pth")).backbone.conv1.weight, state["conv1.weight"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.pth", None, "no such file.*init=imagenet or init=none"),
        ("resnet", None, "known are none, imagenet, and files ending in"),
        ("cut.pth", b"PK\x03\x04 half a file", "cannot be read"),
        ("cut.safetensors", b"{}", "cannot be read"),
    ],
)
def test_unreadable_files_say_what_to_do(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(nets.WeightsError, match=message):
        build(str(tmp_path / name))


def test_a_file_that_holds_more_than_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "epoch": 3}, tmp_path / "run.pth")
    with pytest.raises(nets.WeightsError, match=r"Save `model\.state_dict"):
        build(str(tmp_path / "run.pth"))


def test_imagenet_without_a_network_says_which_file_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torchvision.models.ResNet18_Weights, "get_state_dict", offline)
    with pytest.raises(nets.WeightsError, match=r"resnet18-f37072fd\.pth.*init=PATH"):
        build("imagenet", width=1.0)


def test_imagenet_is_torchvisions_first_version(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = torchvision.models.resnet18()
    monkeypatch.setattr(torchvision.models.ResNet18_Weights, "get_state_dict", lambda *_, **__: theirs.state_dict())
    assert torch.equal(build("imagenet", width=1.0).backbone.conv1.weight, theirs.conv1.weight)
