"""Where a run's checkpoints are and which of them are whole: file names and JSON alone, no torch.

RUN/checkpoints/00000400/    of a run in one process, a campaign's trial
RUN/iteration_00000400/      of Ray Train; iteration_00000417_kept/ between two reports
RUN/state.json               RUN is a checkpoint itself
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ctt_ray.config import ConfigError
from ctt_ray.train.session import BETWEEN, CHECKPOINTS, PREFIX, SCORE

Which = Literal["last", "best"]
STATE = "state.json"
_RAY_NAME = re.compile(rf"{PREFIX}\d+({BETWEEN})?")
_SHOWN = 8


@dataclass(frozen=True)
class Found:
    """One whole checkpoint. miou: its run's own score in per cent; None where it was saved without one."""

    folder: Path
    iteration: int
    miou: float | None


def find(run: str | Path, which: Which = "last") -> Found:
    """The newest whole checkpoint of a run, or the one with the best score (of equals the newest).

    Raises ConfigError, saying what is there instead, for a folder without one."""
    if "://" in str(run):
        raise ConfigError(f"{run} is not on this machine; copy the run or one of its checkpoints here first")
    run = Path(run)
    if not run.is_dir():
        raise ConfigError(f"no run at {run}{_runs_of(run.parent)}")
    places = _places(run)
    whole = sorted((found for place in places if (found := _read(place))), key=lambda found: found.iteration)
    if not whole:
        raise ConfigError(_nothing(run, places))
    if which == "last":
        return whole[-1]
    scored = [found for found in whole if found.miou is not None]
    if not scored:
        raise ConfigError(f"no checkpoint of {run} carries a score; use --which last")
    return max(scored, key=lambda found: (found.miou or 0.0, found.iteration))


def _places(run: Path) -> list[Path]:
    """Every folder that looks like a checkpoint; one that is still being written by this process's kind ends in .part."""
    if (run / STATE).is_file():
        return [run]
    local = run if run.name == CHECKPOINTS else run / CHECKPOINTS
    found = [place for place in local.glob("*") if place.name.isdigit()]
    found += [place for place in run.glob("*") if _RAY_NAME.fullmatch(place.name)]
    return sorted(place for place in found if place.is_dir())


def _read(place: Path) -> Found | None:
    """None for a checkpoint that is not whole: Ray copies files one by one, and a kill may come between two."""
    try:
        content: dict[str, Any] = json.loads((place / STATE).read_text())
        networks = [*content["plan"]["students"], *content["plan"]["teachers"]]
        score = content["extra"].get("metrics", {}).get(SCORE)
        found = Found(place, int(content["iteration"]), None if score is None else float(score))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if all(_has_all_bytes(place / f"{name}.safetensors") for name in networks) else None


def _has_all_bytes(path: Path) -> bool:
    """Whether a safetensors file is as long as it says: 8 bytes of header length, the header, the data it lists."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, size)))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return size == 8 + length + max(ends, default=0)


def _nothing(run: Path, places: list[Path]) -> str:
    if places:
        names = ", ".join(place.name for place in places)
        return f"no checkpoint of {run} is whole ({names} {'is' if len(places) == 1 else 'are'} cut short); continue the run"
    inside = _runs_of(run) or _runs_of(run / "trials")
    if inside:
        return f"{run} is not a run{inside}"
    return f"{run} holds no checkpoint yet; the first one comes with the run's first report (--report-every)"


def _runs_of(folder: Path) -> str:
    """'; there are: ...' for a folder that keeps runs with checkpoints, or nothing."""
    runs = sorted(place for place in folder.glob("*") if place.is_dir() and _places(place)) if folder.is_dir() else []
    more = ", ..." if len(runs) > _SHOWN else ""
    return f"; there are: {', '.join(map(str, runs[:_SHOWN]))}{more}" if runs else ""
