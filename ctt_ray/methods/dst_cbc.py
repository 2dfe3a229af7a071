"""DST-CBC: self-training in rounds that take in more of each class, with weights that shrink where the network has its doubts."""

from ctt_ray.methods.rounds import growing
from ctt_ray.plan import Follow, Mixer, Plan, Route


def plan(
    *,
    lambda_sup: float = 1.0,
    lambda_ct: float = 1.0,
    keep_share: float = 0.2,
    gamma: float = 9.0,
    rounds: int = 5,
    warmup: float = 0.2,
    mixer: Mixer = "none",
) -> Plan:
    """Feng et al., Semi-supervised semantic segmentation via dynamic self-training and class-balanced curriculum
    (arXiv 2004.08514).

    Per round the network is frozen and labels for itself: the surest 20, 40 … 100 % of each class, a pixel's loss weighted by the
    learner's own probability of the label to the power gamma; no jitter. gamma is 9 in the released scripts, all of VOC [R];
    its value on Cityscapes is not known here. The paper's later versions are `dmt`.
    Simplified: labels are made crop by crop, and the classes' thresholds from all crops seen since the round began, where the
    original labels the whole set between rounds; in thousandths, so where more than its share of a class is surer than 0.999,
    all of that passes. Weights go on from round to round on one schedule: the original restarts schedule and optimiser, from
    the best network on val so far. Two means are added, where it takes one over the labelled and pseudo-labelled pixels of the
    batch, half of its images each. `warmup` is the stage on labels.
    """
    return Plan(
        method="dst_cbc",
        students=("s0",),
        teachers=("t0",),
        supervised_weight=lambda_sup,
        routes=(Route(learner="s0", source="t0", weight=lambda_ct, gate="class_share", gamma=gamma),),
        follows=(Follow(follower="t0", leader="s0", when="stage", since=1),),
        stages=growing(warmup, rounds, keep_share),
        mixer=mixer,
        colour=False,
    )
