"""What the campaign cost, from ledger.csv in its folder."""

from __future__ import annotations

import csv
from typing import Any

from ctt_ray.tune.folder import Folder

FILE = "ledger.csv"


def shown(folder: Folder) -> dict[str, Any]:
    """What the template asks for; without a ledger it is empty."""
    path = folder.root / FILE
    if not path.is_file():
        return {"ledger": [], "ledger_line": ""}
    with path.open() as text:
        rows = list(csv.DictReader(text))
    return {"ledger": [_rounded(row) for row in rows], "ledger_line": _line(rows[-1]) if rows else ""}


def _line(total: dict[str, str]) -> str:
    """The last row is the sum."""
    hours = {name: float(total.get(name) or 0) for name in ("hours", "cpu_hours", "gpu_hours")}
    lost = {name: float(total.get(name) or 0) for name in ("lost_to_preemption", "lost_to_failure", "failed_hours")}
    used = f"{hours['hours']:.2f} trial-hours: {hours['cpu_hours']:.2f} CPU-hours, {hours['gpu_hours']:.2f} GPU-hours"
    gone = ", ".join(f"{value:.2f} h {name.replace('_', ' ')}" for name, value in lost.items() if value)
    return f"{used}. {gone}" if gone else f"{used}, none of it lost"


def _rounded(row: dict[str, str]) -> dict[str, str]:
    return {name: f"{float(value):.3f}" if "." in value else value for name, value in row.items()}
