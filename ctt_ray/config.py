"""What a run is: frozen, checked at construction, unknown keys refused. Knows pydantic and nothing of ours.

The tree has named groups for the YAML file; on the command line and in a search space every field goes by its own name,
so names are unique over the whole tree (a test holds that).
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class ConfigError(Exception):
    """A configuration that cannot be used; the command line turns it into exit code 2."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class MethodParams(Frozen):
    """Weights and switches of the methods; each method reads those it knows (sources: docs/equations.md).

    None where methods have defaults of their own: `--method NAME --show-plan` shows them."""

    pairs: int = Field(2, ge=1)
    """Student-teacher pairs n."""
    lambda_sup: float | None = Field(None, ge=0)
    """Weight of the supervised cross-entropy; none = the method's own."""
    lambda_ct: float | None = Field(None, ge=0)
    """Weight of the cross-teacher (pseudo-label) loss; none = the method's own."""
    lambda_hc: float = Field(0.1, ge=0)
    """Weight of the high-level contrastive loss; with lambda_lc = 0 as well the banks are not built."""
    lambda_lc: float = Field(0.1, ge=0)
    """Weight of the low-level contrastive loss."""
    tau_hc: float = Field(0.1, gt=0)
    """Temperature of the high-level loss."""
    tau_lc: float = Field(0.5, gt=0)
    """Temperature of the low-level loss."""
    phi: float = Field(0.75, ge=0, le=1)
    """Confidence (a probability) that splits high-level from low-level features."""
    n_q: int = Field(128, ge=1)
    """Memory bank slots a class."""
    ct_combine: Literal["mean", "sum"] | None = None
    """Over the teachers that label a student; none = the method's own."""
    ct_gate: Literal["none", "pixel", "batch_fraction"] | None = None
    """Which pseudo-labels count; none = the method's own, "none" = all."""
    ct_threshold: float | None = Field(None, ge=0, le=1)
    """Confidence (a probability) that ct_gate asks for; none = the method's own."""
    lambda_aux: float | None = Field(None, ge=0)
    """Weight of the method's further loss (adversarial, contrast, auxiliary decoders, ...); none = the method's own."""
    lambda_self: float | None = Field(None, ge=0)
    """Weight of the loss on labels that a student gives itself, checked by a critic or a corrector; none = the method's own."""
    aux_threshold: float | None = Field(None, ge=0, le=1)
    """Score that a critic must give; none = the method's own."""
    aux_lr: float | None = Field(None, gt=0)
    """Learning rate of the method's further networks; none = the method's own."""
    aux_width: int | None = Field(None, ge=8)
    """Channels of the first layer of a critic, corrector or flaw detector; none = the method's own."""
    tau_aux: float | None = Field(None, gt=0)
    """Temperature of the contrast of PC2Seg and C3-SemiSeg; none = the method's own."""
    keep_share: float | None = Field(None, gt=0, le=1)
    """Share of the pseudo-labels kept (GTA-Seg; of each class: C3-SemiSeg), or kept by the first round (DMT, DST-CBC); none =
    the method's own."""
    gamma: float | None = Field(None, ge=0)
    """Power of the own probability that weights a pseudo-label (DMT, DST-CBC); none = the method's own."""
    rounds: int | None = Field(None, ge=1)
    """Rounds of pseudo-labels (self-training, DMT, DST-CBC); none = the method's own."""
    warmup: float | None = Field(None, ge=0, lt=1)
    """Share of the run that trains on labels alone before pseudo-labels are learnt from (AdvSemiSeg: and on its critic); none =
    the method's own."""
    ct_denominator: Literal["valid", "all"] | None = None
    """Pixels that the pseudo-label loss is divided by; none = the method's own."""
    ema_decay: float | None = Field(None, ge=0, lt=1)
    """Teachers' decay; short runs need a smaller one; none = the method's own."""
    ema_buffers: Literal["average", "copy", "own"] = "average"
    """BatchNorm statistics of the teachers."""
    mixer: Literal["none", "cutmix", "classmix"] | None = None
    """Mixes unlabelled images and their pseudo-labels alike; none = the method's own, "none" = no mixing."""
    contrast_reduction: Literal["class", "pixel"] = "class"
    """Mean over classes of class means, or over pixels."""
    contrast_conf: Literal["own", "cross_teacher"] = "own"
    """Whose confidence phi is compared with."""
    hc_mask_labelled: bool = True
    """phi applies to labelled anchors too."""
    lc_directional: bool = True
    """Learn only from peers that are more confident at that pixel."""
    lc_peer_min: float = Field(0.0, ge=0, le=1)
    """A peer's confidence must reach this probability."""
    max_queries: int | None = Field(None, ge=1)
    """Rows a contrastive loss looks at, drawn uniformly; none = all (exact)."""
    bank_add: int | None = Field(None, ge=1)
    """Rows a class and step; none = one pass over the labelled images renews a queue."""
    bank_select: Literal["confidence", "random"] = "confidence"
    """Which correct pixels enter when there are more."""
    bank_min_conf: float = Field(0.0, ge=0, le=1)
    """Confidence (a probability) a pixel needs to enter."""
    bank_gate: Literal["all_full", "present_classes"] = "all_full"
    """Contrast starts when every queue is full, or with the classes whose queues are."""
    bank_teacher: Literal["updated", "step_start"] = "updated"
    """The teacher that feeds the bank: after or before the step."""
    joint_forward: bool | None = None
    """Labelled and unlabelled images in one forward pass (faster, BatchNorm statistics mixed); none = the method's own."""
    colour_per_student: bool = False
    """Each student sees its own colour jitter; geometry and mix stay shared."""


class NetConfig(Frozen):
    """The networks. All students have one architecture and differ in their initial weights."""

    arch: str = "deeplabv3plus"
    """deeplabv2 | deeplabv3plus."""
    backbone: str = "resnet101"
    """resnet18 | resnet50 | resnet101 | mobilenet_v2."""
    init: tuple[str, ...] = ("none",)
    """none | imagenet | a weights file; one for all students or one a student."""
    output_stride: Literal[8, 16] = 16
    """Of the backbone."""
    feature_dim: int = Field(256, ge=8)
    """Channels of the features that the contrastive losses compare."""
    width: float = Field(1.0, gt=0)
    """Channel multiplier of the backbone."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Before the classifier."""
    bn_statistics: Literal["both", "labelled"] = "both"
    """Which forward passes of a student move BatchNorm's running statistics; each normalises with its own batch."""
    label_mode: Literal["train", "eval"] = "train"
    """How a student labels others: as it learns (BatchNorm by its batch, dropout on), or as it is scored."""
    sync_bn: bool = False
    """BatchNorm normalises with the images of all workers that hold the student (GPUs only)."""
    freeze_bn: bool = False
    """BatchNorm keeps the statistics it came with (small batches on pretrained weights)."""


class StreamConfig(Frozen):
    """Batches and the weak view. Batch sizes are global: workers share them."""

    batch_labelled: int = Field(10, ge=1)
    """Labelled images a step."""
    batch_unlabelled: int = Field(10, ge=1)
    """Unlabelled images a step (unused by purely supervised methods)."""
    crop: tuple[int, int] = (321, 321)
    """Height and width of the network's input."""
    scale: tuple[float, float] = (0.5, 1.6)
    """Random scale of the weak view."""
    flip: float = Field(0.5, ge=0, le=1)
    """Probability of a horizontal flip."""
    rotation: float = Field(0.0, ge=0, le=180)
    """Largest rotation in degrees."""
    labelled_as_unlabelled: bool = False
    """Feed the labelled images to the unlabelled stream too."""
    loaders: int = Field(0, ge=0)
    """Loader processes a worker."""


class ViewConfig(Frozen):
    """The strong view."""

    colour_strength: float = Field(0.25, ge=0)
    """Brightness, contrast and saturation factors within 1 ± strength."""
    hue_strength: float | None = Field(None, ge=0, le=0.5)
    """Hue turned by at most this share of the colour circle; none = colour_strength, 0 where hue tells the classes."""
    colour_p: float = Field(0.8, ge=0, le=1)
    """Probability of colour jitter."""
    grey_p: float = Field(0.0, ge=0, le=1)
    """Probability of greyscale."""
    blur_p: float = Field(0.5, ge=0, le=1)
    """Probability of Gaussian blur."""


class OptimConfig(Frozen):
    """SGD with the poly schedule lr (1 - t/T)^power on every parameter group."""

    lr: float = Field(2.5e-4, gt=0)
    """Of the backbone."""
    lr_head_factor: float = Field(10.0, gt=0)
    """The head's multiple of it."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Of SGD."""
    weight_decay: float = Field(5e-4, ge=0)
    """L2, on every parameter."""
    power: float = Field(0.9, ge=0)
    """Of the poly schedule."""
    iterations: int = Field(80_000, ge=1)
    """Steps of the whole run; the schedule's T."""
    clip_norm: float | None = Field(None, gt=0)
    """Gradient norm a student is clipped to."""
    class_weight_power: float = Field(0.0, ge=0)
    """Supervised loss weights (median frequency / frequency)^power; 0 = none, 0.5 = square root."""
    ohem_keep: float | None = Field(None, gt=0, le=1)
    """Supervised loss on the hardest pixels only: at least this share of them."""
    ohem_threshold: float = Field(0.7, gt=0, le=1)
    """... and all whose true class has a probability below this."""


class ReportConfig(Frozen):
    """How often a run speaks, evaluates and saves."""

    report_every: int = Field(1000, ge=1)
    """Steps between two reports; each evaluates."""
    eval_split: str = "val"
    """The split that is scored, or a part of it: val:0/2; labelled:0/4 keeps a quarter of the labelled images for it."""
    eval_mode: Literal["whole", "slide", "half"] = "whole"
    """Whole image, sliding window of the crop's size, or image and label at half size."""
    eval_limit: int | None = Field(None, ge=1)
    """Images scored at the reports before the last; none = all."""
    keep: int = Field(1, ge=1)
    """Best checkpoints kept, beside the last."""


class RunConfig(Frozen):
    """One training run."""

    data: str = ""
    """Prepared data set: the folder with manifest.json, or its URL (s3://, gs://, https://, ...)."""
    labelled: str = "all"
    """Name of a labelled split in its splits/ folder, or all."""
    method: str = "ctt"
    """Training method; --show-plan prints what it does."""
    seed: int = Field(0, ge=0)
    """Of weights, data order and every random draw."""
    precision: Literal["no", "bf16", "fp16"] = "no"
    """Autocast of the networks; losses stay float32."""
    params: MethodParams = MethodParams()
    net: NetConfig = NetConfig()
    stream: StreamConfig = StreamConfig()
    view: ViewConfig = ViewConfig()
    optim: OptimConfig = OptimConfig()
    report: ReportConfig = ReportConfig()

    def hash(self) -> str:
        """The first 16 hex digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:16]


# `released`: the switches of the authors' released code where it departs from the paper's text; `paper`: the defaults.
PROFILES: dict[str, dict[str, Any]] = {
    "paper": {},
    "released": {
        "ct_gate": "batch_fraction",
        "ct_threshold": 0.968,
        "ct_denominator": "all",
        "contrast_conf": "cross_teacher",
        "hc_mask_labelled": False,
        "n_q": 256,
        "ema_buffers": "own",
        "lc_directional": False,
        "flip": 0.0,
    },
}


def leaves(model: type[BaseModel] = RunConfig, prefix: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    """Every field's own name → its path in the tree."""
    found: dict[str, tuple[str, ...]] = {}
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= leaves(kind, (*prefix, name))
        else:
            found[name] = (*prefix, name)
    return found


def nearest(name: str, known: Any) -> str:
    """', did you mean ...?' for a misspelt name, or nothing."""
    match = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean '{match[0]}'?" if match else ""


def with_values(config: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """`config` with fields replaced by their own names. Raises ConfigError for an unknown name or a value out of range."""
    tree = config.model_dump()
    paths = leaves()
    for name, value in values.items():
        if name not in paths:
            raise ConfigError(f"unknown parameter '{name}'{nearest(name, paths)}")
        node = tree
        for part in paths[name][:-1]:
            node = node[part]
        node[name] = value
    return from_tree(tree)


def from_tree(tree: Mapping[str, Any]) -> RunConfig:
    """A nested mapping (a YAML file) → RunConfig. Raises ConfigError that names every bad key, its value and the nearest name."""
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(item) for item in error.errors())) from None


def _explain(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        paths = leaves()
        name = str(item["loc"][-1])
        if name in paths:
            return f"unknown key '{where}': '{name}' belongs at '{'.'.join(paths[name])}'"
        groups = {part for path in paths.values() for part in path}
        return f"unknown key '{where}'{nearest(name, groups)}"
    return f"{where}: {item['msg']}, found {item['input']!r}"
