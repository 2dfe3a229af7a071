"""What students see of a batch's unlabelled images, and what they are told about it: colour and mix, shared by all students."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ctt_ray.batch import Samples
from ctt_ray.config import ViewConfig
from ctt_ray.maths import colour, draws, labels, mix
from ctt_ray.plan import Plan, View

SECOND = 1_000_003  # added to the samples' keys, it gives the view strong2 draws of its own


@dataclass(frozen=True)
class Target:
    """What one network says of the unlabelled batch: label_BHW uint8 (254 outside the image), conf_BHW a probability, and
    probs_BKHW where somebody learns from them.

    Confidences are rounded to float16, as they travel between workers: so thresholds fall alike in every layout.
    """

    label_BHW: Tensor
    conf_BHW: Tensor
    probs_BKHW: Tensor | None = None


def weak_view(samples: Samples) -> Tensor:
    """image_B3HW float32, normalised for ImageNet weights."""
    return colour.normalise(samples.image_B3HW / 255)


def strong_view(samples: Samples, config: ViewConfig, *, salt: int = 0) -> Tensor:
    """image_B3HW float32, jittered by each sample's own key and normalised. `salt` gives other draws."""
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


def mix_mask(
    plan: Plan, samples: Samples, targets: Mapping[str, Target], generator: torch.Generator, *, salt: int = 0
) -> Tensor | None:
    """The layout mask_BHW that every student shares, or None without a mixer. ClassMix takes one drawn source's classes.

    An image that is not to be mixed (`mix_p`) is the next one of the batch, whole."""
    if plan.mixer == "none":
        return None
    key_B = samples.key_B + salt
    if plan.mixer == "cutmix":
        size = samples.label_BHW.shape[-2:]
        mask_BHW = mix.cutmix_mask(key_B, (size[0], size[1])).to(samples.label_BHW.device)
    else:
        drawn = int(torch.randint(len(targets), (), generator=generator))
        mask_BHW = mix.classmix_mask(list(targets.values())[drawn].label_BHW, key_B)
    if plan.mix_p < 1:
        mixes = [draws.uniforms(key, "mix_p", 1)[0] < plan.mix_p for key in key_B.tolist()]
        mask_BHW = mask_BHW & torch.tensor(mixes, device=mask_BHW.device)[:, None, None]
    return mask_BHW


def mixed(target: Target, mask_BHW: Tensor | None) -> Target:
    """The target moved by the same mask as the image."""
    if mask_BHW is None:
        return target
    probs_BKHW = None if target.probs_BKHW is None else mix.mix(target.probs_BKHW, mask_BHW)
    return Target(mix.mix(target.label_BHW, mask_BHW), mix.mix(target.conf_BHW, mask_BHW), probs_BKHW)


def teach(logits_BKhw: Tensor, padding_BHW: Tensor, *, soft: bool = False) -> Target:
    """Hard label and confidence at image size, and probabilities if `soft`; padding keeps its code.

    padding_BHW: bool, True outside the image."""
    size = (padding_BHW.shape[-2], padding_BHW.shape[-1])
    logits_BKHW = labels.upsample(logits_BKhw.detach(), size)
    label_BHW, conf_BHW = labels.confidence(logits_BKHW)
    label_BHW = label_BHW.masked_fill(padding_BHW, labels.PADDING)
    return Target(label_BHW, _rounded(conf_BHW), logits_BKHW.softmax(1) if soft else None)


def seen(logits_BKhw: Tensor) -> Target:
    """Hard label and confidence at the network's own size, for other pairs to look at."""
    label_Bhw, conf_Bhw = labels.confidence(logits_BKhw)
    return Target(label_Bhw, _rounded(conf_Bhw))


def _rounded(conf: Tensor) -> Tensor:
    return conf.half().to(conf.dtype)


class Sights:
    """The views of one batch of unlabelled images that a plan's students see.

    views: those that are wanted in this step.   sources: who labels the images → its target on the weak view, before any
    mixing.   draws: random numbers by their use.
    """

    def __init__(
        self,
        plan: Plan,
        config: ViewConfig,
        samples: Samples,
        views: Sequence[View],
        sources: Mapping[str, Target],
        draws: Callable[[str], torch.Generator],
    ) -> None:
        self._plan, self._config, self._samples = plan, config, samples
        self._salts: dict[View, int] = {"strong": 0, "strong2": SECOND}  # of the views that are coloured and mixed
        self._coloured: dict[int | None, Tensor] = {}
        self.masks: dict[View, Tensor | None] = {
            view: mix_mask(plan, samples, sources, draws("mix" if view == "strong" else f"mix {view}"), salt=salt)
            for view, salt in self._salts.items()
            if view in views
        }
        self.targets: dict[View, dict[str, Target]] = {
            view: {name: mixed(target, self.masks.get(view)) for name, target in sources.items()} for view in views
        }

    def image(self, view: View, student: str) -> Tensor:
        """image_B3HW, normalised, as this student sees it: students differ in colour only, and only if the plan says so."""
        salt = self._salts.get(view) if self._plan.colour else None
        if salt is not None and self._plan.colour_per_student:
            salt += self._plan.students.index(student)
        if salt not in self._coloured:
            self._coloured[salt] = (
                weak_view(self._samples) if salt is None else strong_view(self._samples, self._config, salt=salt)
            )
        return self._moved(self._coloured[salt], view)

    def padding(self, view: View) -> Tensor:
        """padding_BHW: True outside the images."""
        return self._moved(self._samples.label_BHW == labels.PADDING, view)

    def _moved(self, map_B_HW: Tensor, view: View) -> Tensor:
        mask_BHW = self.masks.get(view)
        return map_B_HW if mask_BHW is None else mix.mix(map_B_HW, mask_BHW)
