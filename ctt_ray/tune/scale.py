"""In what a run is not the paper's: every value that differs from the recipe's, and data that are not the paper's.

Pure functions of what recipe.json keeps and of the campaign's settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctt_ray.config import RunConfig, leaves, with_values
from ctt_ray.tune.recipe import SHRUNK
from ctt_ray.tune.settings import Settings, applied
from tune_spaces.recipe import ALL

# Neither changes what is trained; data and splits are compared by what is in them.
NO_MATTER = ("data", "labelled", "seed", "report_every", "keep", "loaders")
BUILT_IN_WEIGHTS = ("none", "imagenet")
UNCHECKED = "remote data, not compared with the paper's"


def marks(kept: Mapping[str, Any], row: Mapping[str, Any], settings: Settings) -> list[str]:
    """In words, each 'name used for the-paper's'; empty at the paper's scale."""
    paper = with_values(RunConfig(), {**kept["base"], **row["values"]})
    used = applied(settings.base, row["laid"])
    return [
        *_values(paper, used, skip=kept["apart"]),
        *_apart(kept["apart"], used),
        *_data(kept),
        *_labels(kept, row, used.labelled),
    ]


def _values(paper: RunConfig, used: RunConfig, skip: Mapping[str, str]) -> list[str]:
    there, here = _flat(paper), _flat(used)
    names = (name for name in leaves() if name not in NO_MATTER and name not in skip)
    return [_says(name, here[name], there[name]) for name in names if here[name] != there[name]]


def _says(name: str, here: Any, there: Any) -> str:
    """'iterations 400 of 80,000', 'backbone mobilenet_v2 for resnet101'."""
    fewer = name == "iterations" and here < there
    return f"{name} {_shown(here)} {'of' if fewer else 'for'} {_shown(there)}"


def _apart(apart: Mapping[str, str], used: RunConfig) -> list[str]:
    """Where the recipe itself is not the paper. Weights from a file are the user's word that they are the paper's."""
    found = []
    for name, paper in apart.items():
        value = _flat(used)[name]
        given = name == "init" and any(each not in BUILT_IN_WEIGHTS for each in value)
        if not given:
            found.append(f"{name} {_shown(value)} for {paper}")
    return found


def _data(kept: Mapping[str, Any]) -> list[str]:
    found = kept["data"]
    if found is None:
        return [UNCHECKED]
    named = {"train": "training images", "val": "images to score", "classes": "classes"}
    said = [
        f"{found[name]:,} {words} for {kept['pool'][name]:,}"
        for name, words in named.items()
        if found[name] != kept["pool"][name]
    ]
    return said + ([f"images shrunk to a short side of {found[SHRUNK]}"] if found[SHRUNK] else [])


def _labels(kept: Mapping[str, Any], row: Mapping[str, Any], name: str) -> list[str]:
    """How many labelled images there are, and whether they are those of the published list, where there is one."""
    paper, found = row["labels"], kept["splits"].get(name)
    if paper is None:
        return [] if name == ALL else [f"labelled split {name} for all images"]
    if name == ALL:
        return [f"all images labelled for {paper['count']:,}"]
    if found is None:
        return []  # of remote data, which is said already
    if found["count"] != paper["count"]:
        return [f"{found['count']:,} labelled images for {paper['count']:,}"]
    if paper["published"] and not found["rule"].startswith("imported"):
        return [f"labelled images drawn here for {paper['published']}"]
    return []


def _flat(config: RunConfig) -> dict[str, Any]:
    found = {}
    for name, path in leaves().items():
        node: Any = config
        for part in path:
            node = getattr(node, part)
        found[name] = node
    return found


def _shown(value: Any) -> str:
    if isinstance(value, tuple | list):
        return " x ".join(map(_shown, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)
