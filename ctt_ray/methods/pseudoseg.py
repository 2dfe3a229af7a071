"""PseudoSeg: soft labels fused from the softmax and from attention-refined activation maps of a classification head.

Zou et al., PseudoSeg: Designing Pseudo Labels for Semantic Segmentation, ICLR 2021, arXiv 2010.09713. Defaults: both weights
1 [R], fusion half and half [R], sharpening 0.5 [R], presence from 0.5 [R], attention of 128 dimensions [R], aux_lr [O].

Simplified: the strong view is this project's jitter and blur, unmixed, without the paper's CutOut · attention reads the
backbone's last map, not a hypercolumn of two · its scores get a bias where the code has a BatchNorm; the calibration sets their
scale anyway · the calibration's mean is over the whole batch's valid pixels · the head's Adam is on the run's schedule.
Class 0 is the background, which has no image-level score: without one (Cityscapes) class 0 gets what the others leave.
"""

from ctt_ray.plan import Auxiliary, Plan, Term


def plan(
    *,
    lambda_sup: float = 1.0,
    lambda_ct: float = 1.0,
    lambda_aux: float = 1.0,
    aux_lr: float = 1e-3,
    warmup: float = 0.0,
    joint_forward: bool = False,
) -> Plan:
    """L = lambda_sup L_sup + lambda_ct L_fused on unlabelled + lambda_aux (L_classes + L_attention) on labelled images."""
    return Plan(
        method="pseudoseg",
        students=("s0",),
        supervised_weight=lambda_sup,
        auxiliaries=(Auxiliary(name="classes", kind="class_head", learner="s0", lr=aux_lr),),
        terms=(
            Term(name="class_maps", learner="s0", weight=lambda_aux, aux="classes"),
            Term(
                name="fused_labels",
                learner="s0",
                weight=lambda_ct,
                aux="classes",
                options={"fusion": 0.5, "temperature": 0.5, "presence": 0.5},
            ),
        ),
        warmup=warmup,
        joint_forward=joint_forward,
    )
