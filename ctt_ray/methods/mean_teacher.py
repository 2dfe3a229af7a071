"""Mean teacher: one student, labelled by its own moving average on the weak view."""

from typing import Literal

from ctt_ray.plan import Buffers, Follow, Gate, Plan, Route


def plan(
    *,
    lambda_sup: float = 1.0,
    lambda_ct: float = 1.0,
    ct_gate: Gate = "none",
    ct_threshold: float = 0.968,
    ct_denominator: Literal["valid", "all"] = "valid",
    ema_decay: float = 0.99,
    ema_buffers: Buffers = "average",
    mixer: Literal["none", "cutmix", "classmix"] = "none",
    warmup: float = 0.0,
    joint_forward: bool = False,
) -> Plan:
    """Tarvainen and Valpola 2017 in the hard-label form of the CTT paper's Tables 5 and 6 (n = 1).

    With mixer `classmix` it is ClassMix, but for that method's weight.
    lambda_ct weights the pseudo-label loss, as in CTT, so that a search space can serve both.
    """
    return Plan(
        method="mean_teacher",
        students=("s0",),
        teachers=("t0",),
        supervised_weight=lambda_sup,
        routes=(
            Route(
                learner="s0",
                source="t0",
                weight=lambda_ct,
                gate=ct_gate,
                threshold=ct_threshold,
                denominator=ct_denominator,
            ),
        ),
        follows=(Follow(follower="t0", leader="s0", decay=ema_decay, buffers=ema_buffers),),
        mixer=mixer,
        warmup=warmup,
        joint_forward=joint_forward,
    )
