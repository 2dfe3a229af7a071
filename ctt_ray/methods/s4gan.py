"""s4GAN: a critic sees images with their segmentations; students match its features and keep what it takes for a label map."""

from ctt_ray.plan import Auxiliary, Option, Plan, Term


def plan(
    *,
    lambda_sup: float = 1.0,
    lambda_aux: float = 0.1,
    lambda_self: float = 1.0,
    aux_threshold: float = 0.6,
    aux_lr: float = 1e-4,
    aux_width: int = 64,
    warmup: float = 0.0,
    joint_forward: bool = False,
) -> Plan:
    """Mittal, Tatarchenko, Brox: Semi-Supervised Semantic Segmentation with High- and Low-level Consistency, TPAMI 2019,
    arXiv 1908.05724; its branch s4GAN.

    L = L_ce + 0.1 L_fm + 1.0 L_st: L1 distance of the critic's mean features of label maps and of predictions; own labels for
    the images that the critic scores above 0.6 (Cityscapes: 0.7). [R], as the paper's VOC setting.
    lambda_aux: L_fm.   lambda_self: L_st.   Weak view alone, no mixing.
    Left out: the other branch, a classifier of whole images (multi-label mean teacher) that removes classes at test time.
    Simplified: each image that the critic sees is stretched to [0, 1] by itself, not by its batch's range.
    """
    terms: dict[str, tuple[float, dict[str, Option]]] = {
        "feature_matching": (lambda_aux, {}),
        "trusted_images": (lambda_self, {"threshold": aux_threshold}),
    }
    used = tuple(
        Term(name=name, learner="s0", weight=weight, view="weak", aux="critic", options=options)
        for name, (weight, options) in terms.items()
        if weight > 0
    )
    critic = Auxiliary(
        name="critic", kind="image_critic", learner="s0", lr=aux_lr, options={"view": "weak", "width": aux_width}
    )
    return Plan(
        method="s4gan",
        students=("s0",),
        supervised_weight=lambda_sup,
        terms=used,
        auxiliaries=(critic,) if used else (),
        warmup=warmup,
        joint_forward=joint_forward,
    )
