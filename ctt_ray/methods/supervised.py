"""The baseline: one student, labelled images only."""

from ctt_ray.plan import Plan


def plan(*, lambda_sup: float = 1.0) -> Plan:
    """L = lambda_sup * L_sup, equations (1) and (2) of the CTT paper."""
    return Plan(method="supervised", students=("s0",), supervised_weight=lambda_sup)
