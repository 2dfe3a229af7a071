"""ECS: a corrector learns on labelled images where a prediction is wrong, and corrects a student's own labels elsewhere."""

from ctt_ray.plan import Auxiliary, Plan, Term


def plan(
    *,
    lambda_sup: float = 1.0,
    lambda_aux: float = 0.1,
    lambda_self: float = 1.0,
    aux_lr: float = 1e-4,
    aux_width: int = 32,
    warmup: float = 0.0,
    joint_forward: bool = False,
) -> Plan:
    """Mendel, de Souza, Rauber, Papa, Palm: Semi-supervised Segmentation Based on Error-Correcting Supervision, ECCV 2020.

    The corrector answers "right" or the true class, pixel by pixel. Labelled images: the student also learns to be called
    right. Unlabelled images: its labels as corrected, each pixel weighted by the corrector's certainty. [P] in words;
    the extra class "right" and the weights of the losses are from general knowledge of the paper (†), which released no code.
    lambda_aux: to be called right [O].   lambda_self: corrected labels [O].   Weak view alone, no mixing.
    Simplified: the corrector is a small encoder and decoder with skips, drawn at random, where the paper takes a
    segmentation network with pretrained weights: it costs a few per cent of a step.
    """
    weights = {"approved": lambda_aux, "corrected": lambda_self}
    used = tuple(
        Term(name=name, learner="s0", weight=weight, view="weak", aux="corrector")
        for name, weight in weights.items()
        if weight > 0
    )
    corrector = Auxiliary(name="corrector", kind="corrector", learner="s0", lr=aux_lr, options={"width": aux_width})
    return Plan(
        method="ecs",
        students=("s0",),
        supervised_weight=lambda_sup,
        terms=used,
        auxiliaries=(corrector,) if used else (),
        warmup=warmup,
        joint_forward=joint_forward,
    )
