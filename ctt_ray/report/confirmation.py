"""The confirmation's table on the page, from confirm.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctt_ray.tune.results import number


def shown(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the template asks for; without a confirmation it is empty."""
    candidates = found["candidates"] if found else []
    against = list(dict.fromkeys(name for each in candidates for name in each["minus"]))
    return {
        "confirm_head": _head(found) if found else "",
        "confirm_against": against,
        "confirm_rows": [_row(each, against) for each in candidates],
        "confirm_notes": list(found.get("notes", [])) if found else [],
    }


def _head(found: Mapping[str, Any]) -> str:
    return f"{found['confirm']['images']} images of {found['confirm']['split']}. {found['interval']}."


def _row(each: Mapping[str, Any], against: list[str]) -> dict[str, Any]:
    return {
        "label": each["label"],
        "search": number(each["search_miou"]),
        "count": each["count"],
        "mean": number(each["mean"]),
        "interval": _interval(each),
        "minus": [_difference(each["minus"].get(name)) for name in against],
    }


def _interval(each: Mapping[str, Any], form: str = ".2f") -> str:
    return "–" if each["low"] is None else f"{each['low']:{form}} to {each['high']:{form}}"


def _difference(found: Mapping[str, Any] | None) -> str:
    if found is None or found["mean"] is None:
        return "–"
    interval = "" if found["low"] is None else f" ({_interval(found, '+.2f')})"
    return f"{found['mean']:+.2f}{interval}: {found['verdict']}"
