"""Cross pseudo supervision: two networks, each learning from what the other says of the same image."""

from ctt_ray.plan import Mixer, Plan, Route


def plan(*, lambda_sup: float = 1.0, lambda_ct: float = 1.5, mixer: Mixer = "none", warmup: float = 0.0) -> Plan:
    """Chen et al., Semi-supervised semantic segmentation with cross pseudo supervision (CVPR 2021, arXiv 2106.01226).

    Hard labels, no threshold, no teachers. Without a mixer both see the same weak view, and labelled images count as well;
    the weight is 1.5 on VOC and 6 on Cityscapes. With `mixer: cutmix` the labels are made on the unmixed images, mixed, and
    learnt from on the unlabelled images alone; the weight is then 1 and 5: set lambda_ct. Weights [R].
    The losses of labelled and unlabelled images are added, as the paper writes it †; the released code takes one mean over
    both, which with equal batches is half of that: lambda_ct 0.75.
    Simplified: CutMix has one box, the released code's three; passes that label leave BatchNorm's statistics alone.
    """
    same = mixer == "none"
    return Plan(
        method="cps",
        students=("s0", "s1"),
        supervised_weight=lambda_sup,
        routes=tuple(
            Route(
                learner=learner,
                source=source,
                weight=lambda_ct,
                view="weak" if same else "strong",
                source_view="same" if same else "weak",
                on="all" if same else "unlabelled",
            )
            for learner, source in (("s0", "s1"), ("s1", "s0"))
        ),
        mixer=mixer,
        colour=False,
        warmup=warmup,
    )
