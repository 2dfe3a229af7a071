"""ClassMix: a mean teacher's hard labels on images with half of another one's predicted classes pasted in."""

from dataclasses import replace
from typing import Literal

from ctt_ray.methods import mean_teacher
from ctt_ray.plan import Buffers, Gate, Mixer, Plan


def plan(
    *,
    lambda_sup: float = 1.0,
    lambda_ct: float = 1.0,
    ct_gate: Gate = "batch_fraction",
    ct_threshold: float = 0.968,
    ct_denominator: Literal["valid", "all"] = "all",
    ema_decay: float = 0.99,
    ema_buffers: Buffers = "average",
    mixer: Mixer = "classmix",
    warmup: float = 0.0,
) -> Plan:
    """Olsson et al., ClassMix (WACV 2021, arXiv 2007.07936).

    Cross-entropy over all pixels times the share of pixels whose teacher is at least 0.968 sure; weight 1, decay 0.99. [R]
    Colour jitter and blur, which the released configurations have on Cityscapes alone: on VOC, colour_p and blur_p 0.
    Simplified: nothing; padding is no pixel here, and the original's teacher labels it too.
    """
    same = mean_teacher.plan(
        lambda_sup=lambda_sup,
        lambda_ct=lambda_ct,
        ct_gate=ct_gate,
        ct_threshold=ct_threshold,
        ct_denominator=ct_denominator,
        ema_decay=ema_decay,
        ema_buffers=ema_buffers,
        mixer=mixer,
        warmup=warmup,
    )
    return replace(same, method="classmix")
