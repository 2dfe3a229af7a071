"""Tables in plain text."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], between: str = "  ") -> list[str]:
    """The rows with their columns padded to one width each; columns that are empty below their head are left out."""
    kept = [n for n in range(len(rows[0])) if any(row[n] for row in rows[1:])]
    widths = {n: max(len(row[n]) for row in rows) for n in kept}
    return [between.join(f"{row[n]:<{widths[n]}}" for n in kept).rstrip() for row in rows]
