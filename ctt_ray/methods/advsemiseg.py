"""AdvSemiSeg: a critic of label maps scores predictions pixel by pixel, and its trust selects a student's own labels."""

from ctt_ray.plan import Auxiliary, Plan, Term


def plan(
    *,
    lambda_sup: float = 1.0,
    lambda_aux: float = 0.01,
    lambda_self: float = 0.1,
    aux_threshold: float = 0.2,
    aux_lr: float = 1e-4,
    aux_width: int = 64,
    warmup: float = 0.25,
    joint_forward: bool = False,
) -> Plan:
    """Hung, Tsai, Liou, Lin, Yang: Adversarial Learning for Semi-Supervised Semantic Segmentation, BMVC 2018, arXiv 1802.07934.

    L = L_ce + 0.01 L_adv(labelled) + 0.001 L_adv(unlabelled) + 0.1 L_semi: predictions fool the critic; where it gives more
    than 0.2, the own argmax is a label, from a quarter of the run on (5,000 of 20,000 iterations). All [P] and [R].
    lambda_aux: L_adv; unlabelled images always count a tenth of it.   lambda_self: L_semi.   warmup: before it L_semi is 0,
    the rest of the loss is not.   Weak view alone, no mixing.
    Simplified: nothing in the losses. The critic learns from labelled images only, as the paper says; the released code
    shows it predictions of unlabelled ones too.
    """
    terms = {
        "adversarial": (lambda_aux, {"unlabelled": 0.1}),
        "trusted_pixels": (lambda_self, {"threshold": aux_threshold, "start": warmup}),
    }
    used = tuple(
        Term(name=name, learner="s0", weight=weight, view="weak", aux="critic", options=options)
        for name, (weight, options) in terms.items()
        if weight > 0
    )
    critic = Auxiliary(name="critic", kind="pixel_critic", learner="s0", lr=aux_lr, options={"width": aux_width})
    return Plan(
        method="advsemiseg",
        students=("s0",),
        supervised_weight=lambda_sup,
        terms=used,
        auxiliaries=(critic,) if used else (),
        joint_forward=joint_forward,
    )
