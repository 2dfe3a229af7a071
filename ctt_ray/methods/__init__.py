"""The methods: one name, one file, one function that returns a Plan. To add one, write the file and one line here."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ctt_ray.methods import (
    advsemiseg,
    c3_semiseg,
    cct,
    classmix,
    cps,
    ctt,
    cutmix,
    direct_mutual,
    dmt,
    dst_cbc,
    dual_teachers,
    ecs,
    ensemble,
    fixmatch,
    gct,
    gta_seg,
    mean_teacher,
    pc2seg,
    pseudoseg,
    s4gan,
    self_training,
    semiseg_contrastive,
    supervised,
    unimatch,
    vat,
)
from ctt_ray.plan import Plan, PlanError

METHODS: dict[str, Callable[..., Plan]] = {
    "advsemiseg": advsemiseg.plan,
    "c3_semiseg": c3_semiseg.plan,
    "cct": cct.plan,
    "classmix": classmix.plan,
    "cps": cps.plan,
    "ctt": ctt.plan,
    "cutmix": cutmix.plan,
    "direct_mutual": direct_mutual.plan,
    "dmt": dmt.plan,
    "dst_cbc": dst_cbc.plan,
    "dual_teachers": dual_teachers.plan,
    "ecs": ecs.plan,
    "ensemble": ensemble.plan,
    "fixmatch": fixmatch.plan,
    "gct": gct.plan,
    "gta_seg": gta_seg.plan,
    "mean_teacher": mean_teacher.plan,
    "pc2seg": pc2seg.plan,
    "pseudoseg": pseudoseg.plan,
    "s4gan": s4gan.plan,
    "self_training": self_training.plan,
    "semiseg_contrastive": semiseg_contrastive.plan,
    "supervised": supervised.plan,
    "unimatch": unimatch.plan,
    "vat": vat.plan,
}


def parameters(method: str) -> tuple[str, ...]:
    """The names that `method` reads. Raises PlanError, naming the nearest method, for an unknown one."""
    if method not in METHODS:
        near = difflib.get_close_matches(method, METHODS, n=1)
        raise PlanError(
            f"unknown method '{method}'{f', did you mean {near[0]!r}?' if near else ''} Known: {', '.join(METHODS)}"
        )
    return tuple(inspect.signature(METHODS[method]).parameters)


def settled(method: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What `method` reads, with its own default where `values` has None or nothing."""
    parameters(method)
    own = {name: entry.default for name, entry in inspect.signature(METHODS[method]).parameters.items()}
    return {name: default if values.get(name) is None else values[name] for name, default in own.items()}


def build(method: str, values: Mapping[str, Any]) -> Plan:
    """The plan of `method`; it takes from `values` what it reads and leaves the rest."""
    given = settled(method, values)
    return METHODS[method](**given)
