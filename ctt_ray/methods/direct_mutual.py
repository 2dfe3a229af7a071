"""Direct mutual teaching: students label each other, and nobody follows."""

from typing import Literal

from ctt_ray.plan import Gate, Mixer, Plan, PlanError, Route


def plan(
    *,
    pairs: int = 2,
    lambda_sup: float = 1.0,
    lambda_ct: float = 1.0,
    ct_gate: Gate = "none",
    ct_threshold: float = 0.968,
    ct_denominator: Literal["valid", "all"] = "valid",
    mixer: Mixer = "none",
    warmup: float = 0.0,
) -> Plan:
    """A row of the CTT paper's Table 5: CTT without teachers. Hard labels of the weak view, on unlabelled images only.

    `pairs` is the number of students. A student labels as it trains, normalising with the batch, in a pass without gradient.
    lambda_ct is shared by the other students, as in CTT. The authors released no code for this row [O].
    Raises PlanError for fewer than two.
    """
    if pairs < 2:
        raise PlanError(f"students label each other, so there have to be two at least; pairs is {pairs}")
    students = tuple(f"s{i}" for i in range(pairs))
    return Plan(
        method="direct_mutual",
        students=students,
        supervised_weight=lambda_sup,
        routes=tuple(
            Route(
                learner=learner,
                source=source,
                weight=lambda_ct / (pairs - 1),
                gate=ct_gate,
                threshold=ct_threshold,
                denominator=ct_denominator,
            )
            for learner in students
            for source in students
            if source != learner
        ),
        mixer=mixer,
        warmup=warmup,
    )
