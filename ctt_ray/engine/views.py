"""The strong view: colour per sample, then one mix layout for all students."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ctt_ray.batch import Samples
from ctt_ray.config import ViewConfig
from ctt_ray.maths import colour, labels, mix
from ctt_ray.plan import Plan


@dataclass(frozen=True)
class Target:
    """What one network says of the unlabelled batch: label_BHW uint8 (254 outside the image), conf_BHW a probability.

    Confidences are rounded to float16, as they travel between workers: so thresholds fall alike in every layout.
    """

    label_BHW: Tensor
    conf_BHW: Tensor


def weak_view(samples: Samples) -> Tensor:
    """image_B3HW float32, normalised for ImageNet weights."""
    return colour.normalise(samples.image_B3HW / 255)


def strong_view(samples: Samples, config: ViewConfig, *, salt: int = 0) -> Tensor:
    """image_B3HW float32, jittered by each sample's own key and normalised. `salt` gives a student draws of its own."""
    image = colour.strong(
        samples.image_B3HW / 255,
        samples.key_B + salt,
        strength=config.colour_strength,
        hue_strength=config.hue_strength,
        jitter_p=config.colour_p,
        grey_p=config.grey_p,
        blur_p=config.blur_p,
    )
    return colour.normalise(image)


def mix_mask(plan: Plan, samples: Samples, targets: dict[str, Target], generator: torch.Generator) -> Tensor | None:
    """The layout mask_BHW that every student shares, or None without a mixer. ClassMix takes one drawn teacher's classes."""
    if plan.mixer == "none":
        return None
    size = samples.label_BHW.shape[-2:]
    if plan.mixer == "cutmix":
        return mix.cutmix_mask(samples.key_B, (size[0], size[1])).to(samples.label_BHW.device)
    drawn = int(torch.randint(len(targets), (), generator=generator))
    return mix.classmix_mask(list(targets.values())[drawn].label_BHW, samples.key_B)


def mixed(target: Target, mask_BHW: Tensor | None) -> Target:
    """The target moved by the same mask as the image."""
    if mask_BHW is None:
        return target
    return Target(mix.mix(target.label_BHW, mask_BHW), mix.mix(target.conf_BHW, mask_BHW))


def teach(logits_BKhw: Tensor, samples: Samples) -> Target:
    """Hard label and confidence at image size; padding of the crop keeps its code."""
    height, width = samples.label_BHW.shape[-2:]
    label_BHW, conf_BHW = labels.hard_target(logits_BKhw, (height, width))
    return Target(torch.where(samples.label_BHW == labels.PADDING, samples.label_BHW, label_BHW), _rounded(conf_BHW))


def seen(logits_BKhw: Tensor) -> Target:
    """Hard label and confidence at the network's own size, for other pairs to look at."""
    label_Bhw, conf_Bhw = labels.confidence(logits_BKhw)
    return Target(label_Bhw, _rounded(conf_Bhw))


def _rounded(conf: Tensor) -> Tensor:
    return conf.half().to(conf.dtype)
