"""An ensemble: pairs that know nothing of each other, and whose probabilities are averaged at test time."""

from ctt_ray.methods.pairs import moving, named
from ctt_ray.plan import Buffers, Gate, Mixer, Plan, Route


def plan(
    *,
    pairs: int = 2,
    lambda_sup: float = 1.0,
    lambda_ct: float = 1.0,
    ct_gate: Gate = "none",
    ct_threshold: float = 0.968,
    ema_decay: float = 0.99,
    ema_buffers: Buffers = "average",
    mixer: Mixer = "none",
    warmup: float = 0.0,
) -> Plan:
    """A row of the CTT paper's Table 5. Every student is labelled by its own teacher; the score is that named `ensemble`.

    [O] The paper does not say what is averaged; a blended teacher would be another reading. All pairs see the same images
    and differ in their initial heads, as everywhere here.
    """
    names = named(pairs)
    return Plan(
        method="ensemble",
        students=tuple(student for student, _ in names),
        teachers=tuple(teacher for _, teacher in names),
        supervised_weight=lambda_sup,
        routes=tuple(
            Route(learner=student, source=teacher, weight=lambda_ct, gate=ct_gate, threshold=ct_threshold)
            for student, teacher in names
        ),
        follows=moving(names, ema_decay, ema_buffers),
        mixer=mixer,
        warmup=warmup,
    )
