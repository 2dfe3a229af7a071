"""SemiSeg-Contrastive: mean teacher, entropy, and features drawn to a class-wise memory, positives only.

Alonso, Sabater, Ferstl, Montesano and Murillo, Semi-Supervised Semantic Segmentation with Pixel-Level Contrastive Learning from a
Class-wise Memory Bank, ICCV 2021, arXiv 2104.13415. Defaults: lambda_ct 1, lambda_aux (contrast) 0.1, entropy 0.01 [R], admission
to the memory from probability 0.95 (aux_threshold) [R], ClassMix on three images of four [R], decay 0.99 [R], aux_lr [O];
n_q 128 where the paper has 256 † and the code up to 2048.

Simplified: the memory keeps the teacher's features and projects them anew with the present projection, where the paper keeps
projections of the teacher's own heads · the surest correct pixels enter, not those its selectors rank highest · LayerNorm for
BatchNorm in heads and selectors, so that no worker depends on another's rows · 256 rows a class and batch are compared, drawn
evenly · one strong view, not two · all from the first step on, where the code starts the memory after 1,000 iterations and the
rest, growing, after 2,000: set warmup · pseudo-labels are not weighted by confidence to the sixth power as in the code: set
ct_gate.
"""

from typing import Literal

from ctt_ray.plan import Auxiliary, Bank, Buffers, Follow, Gate, Plan, Route, Term


def plan(
    *,
    lambda_sup: float = 1.0,
    lambda_ct: float = 1.0,
    lambda_aux: float = 0.1,
    ct_gate: Gate = "none",
    ct_threshold: float = 0.968,
    aux_threshold: float = 0.95,
    aux_lr: float = 1e-3,
    n_q: int = 128,
    ema_decay: float = 0.99,
    ema_buffers: Buffers = "average",
    mixer: Literal["none", "cutmix", "classmix"] = "classmix",
    warmup: float = 0.0,
    joint_forward: bool = False,
) -> Plan:
    """L = lambda_sup L_sup + lambda_ct L_pseudo + 0.01 L_entropy + lambda_aux L_contrast on labelled and unlabelled images."""
    return Plan(
        method="semiseg_contrastive",
        students=("s0",),
        teachers=("t0",),
        supervised_weight=lambda_sup,
        routes=(Route(learner="s0", source="t0", weight=lambda_ct, gate=ct_gate, threshold=ct_threshold),),
        follows=(Follow(follower="t0", leader="s0", decay=ema_decay, buffers=ema_buffers),),
        banks=(Bank(teacher="t0", slots=n_q, min_conf=aux_threshold),),
        auxiliaries=(Auxiliary(name="heads", kind="memory_heads", learner="s0", lr=aux_lr),),
        terms=(
            Term(
                name="memory_contrast",
                learner="s0",
                teacher="t0",
                weight=lambda_aux,
                aux="heads",
                options={"queries": 256},
            ),
            Term(name="entropy", learner="s0", weight=0.01),
        ),
        mixer=mixer,
        mix_p=0.75,
        warmup=warmup,
        joint_forward=joint_forward,
    )
