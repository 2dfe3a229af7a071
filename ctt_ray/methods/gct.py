"""GCT: two students learn from whichever of them a flaw detector finds the less wrong, pixel by pixel."""

from ctt_ray.plan import Auxiliary, Option, Plan, Term


def plan(
    *,
    lambda_sup: float = 1.0,
    lambda_ct: float = 100.0,
    lambda_aux: float = 1.0,
    aux_threshold: float = 0.6,
    aux_lr: float = 1e-4,
    aux_width: int = 64,
    warmup: float = 0.0,
    joint_forward: bool = False,
) -> Plan:
    """Ke, Qiu, Li, Yan, Lau: Guided Collaborative Training for Pixel-wise Semi-Supervised Learning, ECCV 2020, arXiv 2008.05258.

    L_i = L_ce + 100 L_dc + 1 L_fc on all images: towards the other student's probabilities where its flaw is smaller (mean
    squared distance, grown over the first 0.15 of the run); less flaw where both exceed 0.6. [R], the paper's VOC setting;
    one detector for both, its target with μ = 0.5, ν = 1.
    lambda_ct: dynamic consistency L_dc.   lambda_aux: flaw correction L_fc.   Weak view alone, no mixing.
    Simplified: GroupNorm in the detector, not halves of Batch- and InstanceNorm, and 3x3 layers where the released code has
    4x4 ones of stride 1; void is no flaw. Its loss is not scaled by 10, which Adam does not feel.
    """
    options: dict[str, Option] = {
        "consistency": lambda_ct,
        "correction": lambda_aux,
        "threshold": aux_threshold,
        "ramp": 0.15,
    }
    students, used = ("s0", "s1"), lambda_ct > 0 or lambda_aux > 0
    detector = Auxiliary(name="detector", kind="flaw_detector", learner="s0", lr=aux_lr, options={"width": aux_width})
    return Plan(
        method="gct",
        students=students,
        supervised_weight=lambda_sup,
        terms=tuple(
            Term(
                name="guided",
                learner=own,
                weight=1.0,
                view="weak",
                peers=((peer, ""),),
                aux="detector",
                options=options,
            )
            for own, peer in (students, students[::-1])
            if used
        ),
        auxiliaries=(detector,) if used else (),
        warmup=warmup,
        joint_forward=joint_forward,
    )
