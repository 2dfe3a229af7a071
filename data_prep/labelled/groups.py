"""Images that belong together: the frames of a drive, the pictures of a city. A group is labelled whole or not at all.

folder               the id's folder
camvid, cityscapes   the drive (0016E5), the city (aachen): the file's name up to its first '_'
prefix:REGEX         what the expression matches from the id's beginning on, or its first (...)
run:8                eight consecutive ids, in the order of their numbers
camvid,run:8         the same inside each group of the first kind
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

from data_prep.errors import UsageError

PRESETS = {"camvid": r"(?:.*/)?([^/_]+)_", "cityscapes": r"(?:.*/)?([^/_]+)_"}
KINDS = f"folder, {', '.join(PRESETS)}, prefix:REGEX, run:N, or one of the first with ,run:N behind it"


def group_ids(spec: str, ids: Iterable[str]) -> dict[str, str]:
    """id → name of its group, in the order of the ids' numbers. Raises UsageError for a spec or an id that it does not fit."""
    first, _, length = spec.rpartition("run:")
    if not spec.startswith("run:") and not first.endswith(","):
        first, length = f"{spec},", ""
    name_of = _naming(first.removesuffix(","), spec) if first else lambda name: ""
    ordered = sorted(ids, key=_by_number)
    groups = {name: name_of(name) for name in ordered}
    return _runs(groups, _run_length(length, spec)) if spec != first.removesuffix(",") else groups


def label_of(spec: str) -> str:
    """How a grouping is called in the name of a split: 'camvid,run:8' → 'camvid-run8', 'prefix:...' → 'prefix'."""
    return re.sub(r"prefix:.*?(?=,run:\d+$|$)", "prefix", spec).replace(",", "-").replace(":", "")


def _naming(kind: str, spec: str) -> Callable[[str], str]:
    if kind == "folder":
        return lambda name: str(PurePosixPath(name).parent)
    if kind in PRESETS:
        return _matching(PRESETS[kind], kind)
    if not kind.startswith("prefix:"):
        raise UsageError(f"--group {spec}: choose {KINDS}.")
    return _matching(kind.removeprefix("prefix:"), kind)


def _matching(expression: str, kind: str) -> Callable[[str], str]:
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise UsageError(f"--group {kind}: not a regular expression ({error}).") from None

    def name_of(name: str) -> str:
        match = pattern.match(name)
        if match is None:
            raise UsageError(f"--group {kind} does not fit the id '{name}': choose {KINDS}.")
        return str(match[1] if pattern.groups else match[0])

    return name_of


def _run_length(text: str, spec: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--group {spec}: give the number of consecutive ids, run:8 for example.")
    return int(text)


def _runs(groups: dict[str, str], length: int) -> dict[str, str]:
    """Each group cut into runs, which are named after their first id."""
    members: dict[str, list[str]] = {}
    for name, group in groups.items():
        members.setdefault(group, []).append(name)
    return {name: _first_of_run(run, place, length) for run in members.values() for place, name in enumerate(run)}


def _first_of_run(members: Sequence[str], place: int, length: int) -> str:
    return f"run of {members[place - place % length]}"


def _by_number(name: str) -> tuple[list[tuple[str, int]], str]:
    """frame_9 comes before frame_10."""
    parts = re.split(r"(\d+)", name)
    return [(text, int(number or 0)) for text, number in zip(parts[::2], [*parts[1::2], ""], strict=True)], name
