"""FixMatch: a network labels the weak view for itself on the strong one, where it is sure."""

from ctt_ray.plan import Gate, Mixer, Plan, Route


def plan(
    *,
    lambda_sup: float = 0.5,
    lambda_ct: float = 0.5,
    ct_gate: Gate = "pixel",
    ct_threshold: float = 0.95,
    mixer: Mixer = "cutmix",
    warmup: float = 0.0,
) -> Plan:
    """Sohn et al., FixMatch (NeurIPS 2020, arXiv 2001.07685), for segmentation as UniMatch (arXiv 2208.09910) has it.

    L = (L_sup + L_u) / 2; per-pixel threshold 0.95 (0 on Cityscapes), divided by all valid pixels, CutMix on half of the
    images, drawn for each; no teacher. [R], both networks' code being that of UniMatch.
    Simplified: the weak view has a pass of its own, normalised with its batch, which leaves BatchNorm's statistics alone; the
    original labels in the pass with the labelled images. Boxes cover a quarter to half of the image, the original's 2 to 40 %,
    and hold the next image of the batch, where the original has another batch; jitter is this project's, which is weaker.
    """
    return Plan(
        method="fixmatch",
        students=("s0",),
        supervised_weight=lambda_sup,
        routes=(Route(learner="s0", source="s0", weight=lambda_ct, gate=ct_gate, threshold=ct_threshold),),
        mixer=mixer,
        mix_p=0.5,
        warmup=warmup,
    )
