"""CutMix: a mean teacher whose probabilities the student has to match on images with a box of another one pasted in."""

from ctt_ray.plan import Buffers, Follow, Gate, Mixer, Plan, Route


def plan(
    *,
    lambda_sup: float = 1.0,
    lambda_ct: float = 1.0,
    ct_gate: Gate = "batch_fraction",
    ct_threshold: float = 0.97,
    ema_decay: float = 0.99,
    ema_buffers: Buffers = "average",
    mixer: Mixer = "cutmix",
    warmup: float = 0.0,
) -> Plan:
    """French et al., Semi-supervised semantic segmentation needs strong, varied perturbations (BMVC 2020, arXiv 1906.01916).

    Squared distance of probabilities, summed over classes, mean over pixels, times the share of pixels whose teacher is at
    least 0.97 sure; weight 1, decay 0.99. No colour jitter: it came to the released code with arXiv 2110.04487. [R]
    Simplified: one box of a quarter to half of the image, as everywhere here; the original's is exactly half of it.
    """
    return Plan(
        method="cutmix",
        students=("s0",),
        teachers=("t0",),
        supervised_weight=lambda_sup,
        routes=(Route(learner="s0", source="t0", weight=lambda_ct, loss="mse", gate=ct_gate, threshold=ct_threshold),),
        follows=(Follow(follower="t0", leader="s0", decay=ema_decay, buffers=ema_buffers),),
        mixer=mixer,
        colour=False,
        warmup=warmup,
    )
