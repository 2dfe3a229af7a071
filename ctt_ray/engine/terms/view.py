"""One step as an extra loss sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ctt_ray.engine.views import Sights, Target
from ctt_ray.engine.world import Group
from ctt_ray.maths import contrast
from ctt_ray.maths.bank import ClassBank
from ctt_ray.nets import NetOut
from ctt_ray.plan import Term, View

Draws = Callable[[str], torch.Generator]  # for one use; the use names what makes it another worker's
Queries = tuple[Tensor, Tensor]  # index_Q, and what the rows' weights are multiplied by
PeerRows = tuple[Queries, Tensor]  # with the peer's feat_QD there, not normalised


@dataclass(frozen=True)
class StepView:
    """After the forward passes of a turn's students, before their updates.

    labelled: this worker's students → their outputs on the labelled weak view, image_l_B3HW, whose labels are label_BHW.
    outs: view → student → outputs on the unlabelled images in that view, of which `sights` has images, targets and padding.
    label_Bhw: labels at feature size.
    seen: every student → its labels and confidences on the strong view, at feature size, where contrasts are on.
    peer_rows: (learner, peer student, its teacher) → what `low_queries` chose, and the peer's features there.
    banks: every teacher's.   present_K: classes that may be compared, None for all.
    aux: the networks beside the students.   net: one more pass of a student, with gradient; BatchNorm's running statistics stay.
    draws: this step's random numbers.   data: who shares the batch.   progress: share of the run since
    pseudo-labels are learnt from, after the warm-up, in [0, 1).
    """

    labelled: Mapping[str, NetOut]
    outs: Mapping[View, Mapping[str, NetOut]]
    image_l_B3HW: Tensor
    label_BHW: Tensor
    label_Bhw: Tensor
    sights: Sights
    seen: Mapping[str, Target]
    banks: Mapping[str, ClassBank]
    present_K: Tensor | None
    aux: Mapping[str, nn.Module]
    net: Callable[[str, Tensor], NetOut]
    draws: Draws
    data: Group
    progress: float
    peer_rows: Mapping[tuple[str, str, str], PeerRows] = field(default_factory=dict)

    def unlabelled(self, term: Term) -> NetOut:
        """The learner's outputs on the unlabelled images in the term's view."""
        return self.outs[term.view][term.learner]


TermFn = Callable[[StepView, Term], Tensor]


def number(term: Term, option: str) -> float:
    return float(term.options[option] or 0.0)


def rows(feat_BDhw: Tensor) -> Tensor:
    """feat_MD, L2-normalised, a row a pixel."""
    return contrast.normalise(contrast.rows(feat_BDhw))
