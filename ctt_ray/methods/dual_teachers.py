"""Dual teachers: every student is labelled by all teachers, its own among them."""

from typing import Literal

from ctt_ray.methods.pairs import moving, named
from ctt_ray.plan import Buffers, Gate, Mixer, Plan, Route


def plan(
    *,
    pairs: int = 2,
    lambda_sup: float = 1.0,
    lambda_ct: float = 1.0,
    ct_combine: Literal["mean", "sum"] = "sum",
    ct_gate: Gate = "none",
    ct_threshold: float = 0.968,
    ema_decay: float = 0.99,
    ema_buffers: Buffers = "average",
    mixer: Mixer = "none",
    warmup: float = 0.0,
) -> Plan:
    """A row of the CTT paper's Table 5; not the later method of the same name, whose teachers take turns.

    ct_combine: the released code adds the teachers' cross-entropies (`sum`), without threshold and without mixing [R].
    Simplified: a student's strong view is one for both teachers, as in the released code, and the same for all students.
    """
    names = named(pairs)
    weight = lambda_ct / pairs if ct_combine == "mean" else lambda_ct
    return Plan(
        method="dual_teachers",
        students=tuple(student for student, _ in names),
        teachers=tuple(teacher for _, teacher in names),
        supervised_weight=lambda_sup,
        routes=tuple(
            Route(learner=student, source=teacher, weight=weight, gate=ct_gate, threshold=ct_threshold)
            for student, _ in names
            for _, teacher in names
        ),
        follows=moving(names, ema_decay, ema_buffers),
        mixer=mixer,
        warmup=warmup,
    )
