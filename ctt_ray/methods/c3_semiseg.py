"""C3-SemiSeg: a mean teacher whose labels pass dynamic class thresholds, and a contrast across labelled and unlabelled images.

Zhou et al., C3-SemiSeg: Contrastive Semi-supervised Segmentation via Cross-set Learning and Dynamic
Class-balancing, ICCV 2021. Defaults: lambda_ct 50/19, the code's 50 on a mean over 19 classes [R], its ramp over 0.16 of the run
[R], lambda_aux 0.1 and tau 0.15 [R], the surest 0.8 of each class (keep_share) with decay 0.9 [R], CutMix [R], decay 0.99 [R];
64 rows a class [O] where the code takes 20 of each class and image, aux_lr [O], no warmup [O] where the code has a tenth.

Simplified: labels are hard, the code's are the teacher's probabilities · CutMix mixes unlabelled images among themselves, not
with labelled ones · keys of unlabelled pixels are the student's features, detached, not the teacher's · the threshold of a class
starts at its first quantile, not at 0.9, which short runs do not reach · jitter and blur for AutoAugment.
"""

from typing import Literal

from ctt_ray.plan import Auxiliary, Buffers, Follow, Plan, Term


def plan(
    *,
    lambda_sup: float = 1.0,
    lambda_ct: float = 50 / 19,
    lambda_aux: float = 0.1,
    tau_aux: float = 0.15,
    keep_share: float = 0.8,
    aux_lr: float = 1e-3,
    ema_decay: float = 0.99,
    ema_buffers: Buffers = "average",
    mixer: Literal["none", "cutmix", "classmix"] = "cutmix",
    warmup: float = 0.0,
    joint_forward: bool = False,
) -> Plan:
    """L = lambda_sup L_sup + lambda_ct · ramp · L_balanced + lambda_aux L_cross-set."""
    return Plan(
        method="c3_semiseg",
        students=("s0",),
        teachers=("t0",),
        supervised_weight=lambda_sup,
        follows=(Follow(follower="t0", leader="s0", decay=ema_decay, buffers=ema_buffers),),
        auxiliaries=(
            Auxiliary(name="head", kind="cross_set_head", learner="s0", lr=aux_lr, options={"share": keep_share}),
        ),
        terms=(
            Term(
                name="balanced_labels", learner="s0", teacher="t0", weight=lambda_ct, aux="head", options={"ramp": 0.16}
            ),
            Term(
                name="cross_set_contrast",
                learner="s0",
                teacher="t0",
                weight=lambda_aux,
                aux="head",
                options={"tau": tau_aux, "rows": 64},
            ),
        ),
        mixer=mixer,
        warmup=warmup,
        joint_forward=joint_forward,
    )
