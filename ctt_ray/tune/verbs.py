"""`python -m ctt_ray.tune VERB CAMPAIGN`: what reads or steers a campaign through its folder, each imported when it is asked for.

Without a verb the command runs a campaign (__main__.py).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence

from ctt_ray.config import ConfigError, nearest

# verb → "module:function"; the function takes the arguments after the verb and returns the exit code
VERBS: dict[str, str] = {
    "status": "ctt_ray.tune.status:status",
    "trials": "ctt_ray.tune.listing:trials",
    "stop": "ctt_ray.tune.steer:stop",
    "extend": "ctt_ray.tune.steer:extend",
    "confirm": "ctt_ray.tune.confirm:main",
}


def is_verb(argv: Sequence[str]) -> bool:
    """Whether `argv` names a verb, known or not, rather than the flags of a campaign."""
    return bool(argv) and not argv[0].startswith("-")


def run(argv: Sequence[str], verbs: Mapping[str, str] = VERBS) -> int:
    """Exit code of the verb argv[0] with the arguments after it. Raises ConfigError for a verb that is none."""
    name = argv[0]
    if name not in verbs:
        known = ", ".join(verbs) or "none"
        raise ConfigError(
            f"unknown verb '{name}'{nearest(name, verbs)} Known: {known}; without a verb the command runs a campaign"
        )
    module, _, function = verbs[name].partition(":")
    verb: Callable[[Sequence[str]], int] = getattr(importlib.import_module(module), function)
    return verb(argv[1:])
