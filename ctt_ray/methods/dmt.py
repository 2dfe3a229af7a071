"""DMT: two networks label each other in rounds; where they disagree, only the surer one is believed."""

from ctt_ray.methods.rounds import growing
from ctt_ray.plan import Follow, Mixer, Plan, Route


def plan(
    *,
    lambda_sup: float = 1.0,
    lambda_ct: float = 1.0,
    keep_share: float = 0.2,
    gamma: float = 5.0,
    rounds: int = 5,
    warmup: float = 0.2,
    mixer: Mixer = "none",
) -> Plan:
    """Feng et al., DMT: dynamic mutual training for semi-supervised learning (Pattern Recognition 2022, arXiv 2004.08514).

    Per round both networks are frozen and each labels for the other: the surest 20, 40 … 100 % of each class, weighted by the
    learner's own probability of the label to the power gamma (5 on VOC, 3 on Cityscapes), and by 0 where they disagree and the
    label's giver is not surer; no jitter. [R] The paper has a gamma each for agreement and disagreement; its released scripts
    give both one value. Its networks differ in their initial weights (COCO, ImageNet): name both in `init`.
    Simplified: labels, thresholds, schedule and means as in `dst_cbc`. Both learn at once; the original's train one after the
    other, and both from the round before, which is the same.
    """
    names = (("s0", "t0"), ("s1", "t1"))
    return Plan(
        method="dmt",
        students=("s0", "s1"),
        teachers=("t0", "t1"),
        supervised_weight=lambda_sup,
        routes=tuple(
            Route(learner=s, source=t, weight=lambda_ct, gate="class_share", gamma=gamma, surer=True)
            for s, t in (("s0", "t1"), ("s1", "t0"))
        ),
        follows=tuple(Follow(follower=t, leader=s, when="stage", since=1) for s, t in names),
        stages=growing(warmup, rounds, keep_share),
        mixer=mixer,
        colour=False,
    )
