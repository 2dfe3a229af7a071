"""The methods: one name, one file, one function that returns a Plan. To add one, write the file and one line here."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ctt_ray.methods import ctt, mean_teacher, supervised
from ctt_ray.plan import Plan, PlanError

METHODS: dict[str, Callable[..., Plan]] = {
    "ctt": ctt.plan,
    "mean_teacher": mean_teacher.plan,
    "supervised": supervised.plan,
}


def parameters(method: str) -> tuple[str, ...]:
    """The names that `method` reads. Raises PlanError, naming the nearest method, for an unknown one."""
    if method not in METHODS:
        near = difflib.get_close_matches(method, METHODS, n=1)
        raise PlanError(
            f"unknown method '{method}'{f', did you mean {near[0]!r}?' if near else ''} Known: {', '.join(METHODS)}"
        )
    return tuple(inspect.signature(METHODS[method]).parameters)


def build(method: str, values: Mapping[str, Any]) -> Plan:
    """The plan of `method`; it takes from `values` what it reads and leaves the rest."""
    read = parameters(method)
    return METHODS[method](**{name: values[name] for name in read if name in values})
