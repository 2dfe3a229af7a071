"""VAT: predictions must stand still under the small perturbation of the image that moves them most."""

from ctt_ray.plan import Plan, Term


def plan(*, lambda_sup: float = 1.0, lambda_aux: float = 0.1, warmup: float = 0.0, joint_forward: bool = False) -> Plan:
    """Miyato, Maeda, Koyama, Ishii: Virtual Adversarial Training, TPAMI 2018, arXiv 1704.03976, a distribution a pixel.

    L = L_ce + 0.1 mean_p KL(p(x) ‖ p(x + r_adv)) on unlabelled images, one power iteration [P]. Weight and radius are those
    of the segmentation study of French et al., BMVC 2020, arXiv 1906.01916 [R]: each image's radius is half the length of its
    own differences. lambda_aux: the KL.   Weak view alone, no mixing.
    Simplified: the paper also takes the KL on labelled images; that study's mean teacher and confidence gate are not taken
    over: this is the paper's method. The power iteration's probe is a tenth of the radius (docs/equations.md).
    """
    term = Term(name="virtual_adversarial", learner="s0", weight=lambda_aux, view="weak", options={"radius": 1.0})
    return Plan(
        method="vat",
        students=("s0",),
        supervised_weight=lambda_sup,
        terms=(term,) if lambda_aux > 0 else (),
        warmup=warmup,
        joint_forward=joint_forward,
    )
