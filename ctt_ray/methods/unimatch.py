"""UniMatch: FixMatch with two strong views and one with features dropped."""

from ctt_ray.plan import Gate, Mixer, Plan, Route, View

SHARES: tuple[tuple[View, float], ...] = (("strong", 0.25), ("strong2", 0.25), ("dropped", 0.5))


def plan(
    *,
    lambda_sup: float = 0.5,
    lambda_ct: float = 0.5,
    ct_gate: Gate = "pixel",
    ct_threshold: float = 0.95,
    mixer: Mixer = "cutmix",
    warmup: float = 0.0,
) -> Plan:
    """Yang et al., Revisiting weak-to-strong consistency (CVPR 2023, arXiv 2208.09910).

    L = (L_sup + L_u) / 2; of L_u a quarter each on two strong views with CutMix (on half of the images, drawn for each) and a
    half on the weak view with half of the channels of the backbone's features dropped, low and high ones. Threshold 0.95, on
    Cityscapes 0. [R]
    Simplified: as `fixmatch`. Left out: version 2 (a teacher with decay 0.996, complementary dropout, DINOv2).
    """
    return Plan(
        method="unimatch",
        students=("s0",),
        supervised_weight=lambda_sup,
        routes=tuple(
            Route(learner="s0", source="s0", view=view, weight=lambda_ct * share, gate=ct_gate, threshold=ct_threshold)
            for view, share in SHARES
        ),
        mixer=mixer,
        mix_p=0.5,
        warmup=warmup,
    )
