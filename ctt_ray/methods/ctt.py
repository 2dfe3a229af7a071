"""Cross Teacher Training (arXiv 2209.01327): n student-teacher pairs, each student labelled by the other pairs' teachers."""

from typing import Literal

from ctt_ray.methods.pairs import moving, named
from ctt_ray.plan import Bank, Buffers, Gate, Option, Plan, PlanError, Route, Term


def plan(
    *,
    pairs: int = 2,
    lambda_sup: float = 1.0,
    lambda_ct: float = 1.0,
    lambda_hc: float = 0.1,
    lambda_lc: float = 0.1,
    tau_hc: float = 0.1,
    tau_lc: float = 0.5,
    phi: float = 0.75,
    n_q: int = 128,
    ct_combine: Literal["mean", "sum"] = "mean",
    ct_gate: Gate = "none",
    ct_threshold: float = 0.968,
    ct_denominator: Literal["valid", "all"] = "valid",
    ema_decay: float = 0.99,
    ema_buffers: Buffers = "average",
    mixer: Literal["none", "cutmix", "classmix"] = "none",
    warmup: float = 0.0,
    contrast_reduction: Literal["class", "pixel"] = "class",
    contrast_conf: Literal["own", "cross_teacher"] = "own",
    hc_mask_labelled: bool = True,
    lc_directional: bool = True,
    lc_peer_min: float = 0.0,
    max_queries: int | None = None,
    bank_add: int | None = None,
    bank_select: Literal["confidence", "random"] = "confidence",
    bank_min_conf: float = 0.0,
    bank_gate: Literal["all_full", "present_classes"] = "all_full",
    bank_teacher: Literal["updated", "step_start"] = "updated",
    joint_forward: bool = False,
    colour_per_student: bool = False,
) -> Plan:
    """L = lambda_sup L_sup + lambda_ct L_CT + lambda_hc L_HC + lambda_lc L_LC, equation (10). A weight of 0 removes its part.

    n = 1 is labelled by its own teacher (Table 6's first column) and has no low-level loss. Raises PlanError for n < 1,
    and for n = 1 with lambda_lc > 0.
    """
    if pairs < 1:
        raise PlanError(f"pairs must be at least 1, found {pairs}")
    if pairs == 1 and lambda_lc > 0:
        raise PlanError(
            "the low-level loss compares peers and there is one pair only; set lambda_lc to 0 or use pairs >= 2"
        )
    names = named(pairs)
    others = {pair: [p for p in names if p != pair] or [pair] for pair in names}
    share = 1.0 / len(others[names[0]]) if ct_combine == "mean" else 1.0
    contrast = lambda_hc > 0 or lambda_lc > 0
    hc: dict[str, Option] = {"tau": tau_hc, "mask_labelled": hc_mask_labelled}
    lc: dict[str, Option] = {"tau": tau_lc, "directional": lc_directional, "peer_min": lc_peer_min}
    shared: dict[str, Option] = {
        "phi": phi, "reduction": contrast_reduction, "conf": contrast_conf, "max_queries": max_queries,
    }  # fmt: skip
    return Plan(
        method="ctt",
        students=tuple(student for student, _ in names),
        teachers=tuple(teacher for _, teacher in names),
        supervised_weight=lambda_sup,
        routes=tuple(
            Route(
                learner=pair[0],
                source=teacher,
                weight=lambda_ct * share,
                gate=ct_gate,
                threshold=ct_threshold,
                denominator=ct_denominator,
            )
            for pair in names
            for _, teacher in others[pair]
            if lambda_ct > 0
        ),
        follows=moving(names, ema_decay, ema_buffers),
        banks=tuple(
            Bank(
                teacher=teacher, slots=n_q, take=bank_add, select=bank_select, min_conf=bank_min_conf, when=bank_teacher
            )
            for _, teacher in names
            if contrast
        ),
        terms=tuple(
            Term(
                name=name,
                learner=pair[0],
                teacher=pair[1],
                peers=tuple(others[pair]),
                weight=weight,
                options={**options, **shared},
            )
            for pair in names
            for name, weight, options in (("contrast_high", lambda_hc, hc), ("contrast_low", lambda_lc, lc))
            if weight > 0
        ),
        bank_gate=bank_gate,
        mixer=mixer,
        warmup=warmup,
        joint_forward=joint_forward,
        colour_per_student=colour_per_student,
    )
