"""One HTML page out of the files that a campaign or a run left behind; no cluster, no network."""

from __future__ import annotations

import importlib.util

NEEDS = {"matplotlib": "matplotlib", "jinja2": "jinja2", "sklearn": "scikit-learn"}


def missing() -> list[str]:
    """Packages of the extra 'report' that are not installed."""
    return [package for module, package in NEEDS.items() if importlib.util.find_spec(module) is None]
