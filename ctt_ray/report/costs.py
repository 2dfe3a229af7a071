"""What the campaign cost: the ledger (tune/ledger.py), a row a trial."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ctt_ray.tune import ledger
from ctt_ray.tune.folder import Folder


def shown(folder: Folder) -> dict[str, Any]:
    """What the template asks for; without attempts on file it is empty."""
    entries = ledger.of(folder)
    if not entries:
        return {"ledger": [], "ledger_line": ""}
    return {"ledger": [_row(each) for each in [*entries, ledger.total(entries)]], "ledger_line": ledger.line(entries)}


def _row(entry: ledger.Entry) -> dict[str, str]:
    return {name: f"{value:.3f}" if isinstance(value, float) else str(value) for name, value in asdict(entry).items()}
