"""The words of a plan: who labels whom, who follows whom, what else is learnt, in which rounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Gate = Literal["none", "pixel", "batch_fraction", "reweight", "class_share"]
Buffers = Literal["average", "copy", "own"]
Mixer = Literal["none", "cutmix", "classmix"]
View = Literal["strong", "strong2", "dropped", "weak"]
Option = str | float | bool | None
CLASSIFIER = "head.classifier"  # the last layer of every network


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """`source`, a teacher or a student, labels the unlabelled images for `learner`; no gradient reaches the source.

    view: what the learner sees: `strong` the shared coloured and mixed view · `strong2` another draw of both · `weak` neither ·
    `dropped` weak, and channels of the backbone's features dropped.
    source_view: `weak`, and the labels are mixed as the learner's view is · `same`, the source's own output on that view.
    loss: `ce` cross-entropy to hard labels · `mse` squared distance of probabilities, summed over classes.
    on: `unlabelled` images, or `all`.
    gate: which pixels count. `none` every valid one · `pixel` those with confidence >= threshold · `batch_fraction` all, times
    the share of pixels with confidence >= threshold · `reweight` the surest `keep` of them, as 1 + confidence, where the
    source is asked once more, on the learner's view · `class_share` the surest share of each class, by the stage's `keep`.
    threshold: a probability.   gamma: a pixel's weight is the learner's own probability of the label to this power.
    surer: where the two disagree, only a source that is surer than the learner is learnt from.
    denominator: `valid` divides by the pixels that are neither void nor padding, `all` by every pixel of the crop.
    """

    learner: str
    source: str
    weight: float = 1.0
    view: View = "strong"
    source_view: Literal["weak", "same"] = "weak"
    loss: Literal["ce", "mse"] = "ce"
    on: Literal["unlabelled", "all"] = "unlabelled"
    gate: Gate = "none"
    threshold: float = 0.968
    keep: float = 1.0
    gamma: float = 0.0
    surer: bool = False
    denominator: Literal["valid", "all"] = "valid"


@dataclass(frozen=True, kw_only=True, slots=True)
class Follow:
    """`follower` is an exponential moving average of `leader`: decay_t = min(1 - 1/(t+1), decay), t steps after its stage began.

    buffers: what happens to BatchNorm's running statistics: `average` like parameters · `copy` · `own`, the teacher keeps
    its own, made in train mode.   skip: names of modules that are left alone.
    since: the stage at whose start the follower becomes a copy of its leader, unless it is a student that follows at each step;
    before, it is left alone.
    when: `step` after each update of the leader · `stage` at the start of each stage only: a snapshot that stands still.
    """

    follower: str
    leader: str
    decay: float = 0.0
    buffers: Buffers = "average"
    skip: tuple[str, ...] = ()
    since: int = 0
    when: Literal["step", "stage"] = "step"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A part of the run.   share: of its iterations.   labels_only: routes and terms rest.   keep: the share of each class that
    the gate `class_share` lets through.   restart: students begin it with fresh weights, optimisers and schedule."""

    share: float
    labels_only: bool = False
    keep: float = 1.0
    restart: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Bank:
    """One class-wise memory bank, fed with `teacher`'s features of correctly predicted labelled pixels.

    take: rows per class and step; None = one pass over the labelled set renews every queue about once.
    when: `updated` feeds it after the step with the moved teacher, `step_start` with the teacher that made the labels.
    """

    teacher: str
    slots: int
    take: int | None = None
    select: Literal["confidence", "random"] = "confidence"
    min_conf: float = 0.0
    when: Literal["updated", "step_start"] = "updated"


@dataclass(frozen=True, kw_only=True, slots=True)
class Auxiliary:
    """A trained network beside the students: a critic, decoders, a projection.   learner: the student it belongs to.

    kind: a key of ctt_ray.engine.auxiliaries.KINDS; what the options mean stands there.   lr: of its Adam, on the run's schedule.
    """

    name: str
    kind: str
    learner: str
    lr: float
    options: Mapping[str, Option] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """A named extra loss of `learner`, on the unlabelled images in `view` and on the labelled ones.

    name is a key of ctt_ray.engine.terms.TERMS; what the options mean stands there.
    teacher: the learner's own; its bank holds the positives.   peers: the pairs it looks at, as (student, teacher) names.
    aux: the Auxiliary that it uses.
    """

    name: str
    learner: str
    weight: float
    view: View = "strong"
    teacher: str = ""
    peers: tuple[tuple[str, str], ...] = ()
    aux: str = ""
    options: Mapping[str, Option] = field(default_factory=dict)
