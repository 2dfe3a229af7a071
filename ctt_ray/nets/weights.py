"""Initial weights of a backbone: torchvision's ImageNet ones, or a file."""

from __future__ import annotations

import pickle
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from ctt_ray.nets.segnet import Backbone
from ctt_ray.nets.torchvision_compat import torchvision

_CLASSIFICATION = ("fc.", "classifier.", "features.18.")  # layers of the classifier that a dense backbone leaves out
_SHOWN = 5


class WeightsError(ValueError):
    """Initial weights that are missing or do not fit the backbone."""


def load_backbone(backbone: Backbone, *, name: str, init: str) -> None:
    """Fill `backbone` in place from "imagenet" or from a .pth, .pt or .safetensors file with torchvision's names.

    Every tensor of the backbone must be in the source with its shape, and nothing else but the classification layers:
    a file that fits in part is a WeightsError that lists what does not."""
    state = _imagenet(name) if init == "imagenet" else read_state(Path(init))
    state = {key: value for key, value in state.items() if not key.startswith(_CLASSIFICATION)}
    own = backbone.state_dict()
    counters = {key for key in own if key.endswith("num_batches_tracked")}  # files from before BatchNorm counted
    problems = {
        "missing": sorted(own.keys() - state.keys() - counters),
        "unexpected": sorted(state.keys() - own.keys()),
        "of another shape": [key for key in own if key in state and state[key].shape != own[key].shape],
    }
    if any(problems.values()):
        report = "; ".join(f"{len(keys)} {what} ({_some(keys)})" for what, keys in problems.items() if keys)
        raise WeightsError(
            f"init={init} does not fit backbone {name}: {report}. "
            f"Give a torchvision state_dict of {name} at the same width, or init=none."
        )
    backbone.load_state_dict(state, strict=False)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a .pth, .pt or .safetensors file on the CPU. Files that would run code are refused."""
    if path.suffix not in (".pth", ".pt", ".safetensors"):
        raise WeightsError(f"init={path}: known are none, imagenet, and files ending in .pth, .pt or .safetensors.")
    if not path.is_file():
        raise WeightsError(f"init={path}: no such file. Give the path of a weight file, or init=imagenet or init=none.")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (safetensors.SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise WeightsError(
            f"init={path} cannot be read ({error}). Copy it again or save a plain state_dict."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"init={path} holds no plain state_dict (name to tensor). Save `model.state_dict()`.")
    return state


def _imagenet(name: str) -> dict[str, Tensor]:
    """torchvision's IMAGENET1K_V1 weights, downloaded once into torch's cache; V1 is the literature's start."""
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    try:
        return weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"init=imagenet could not download {weights.url} ({error}). "
            "Download that file where there is a network and give its path: init=PATH/FILE.pth."
        ) from error


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")
