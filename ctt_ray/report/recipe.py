"""The published table that a campaign repeats, on its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctt_ray.tune import published_text


def shown(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the template asks for; empty for a campaign that searches."""
    return {
        "recipe_title": f"{found['title']} ({found['source']})" if found else "",
        "recipe_how": published_text.how(found) if found else "",
        "recipe_head": published_text.head(found) if found else [],
        "recipe_rows": published_text.rows(found) if found else [],
        "recipe_notes": published_text.notes(found) if found else [],
    }


def limits(found: Mapping[str, Any]) -> list[str]:
    """What the reader must not conclude from such a table."""
    chosen = "What the best report is worth elsewhere: it was chosen on the images that it is scored on"
    if not published_text.of_a_paper(found):
        return [f"{chosen}."]
    marked = sum(bool(row["marks"]) for row in found["rows"])
    said = ["How sure the paper's figures are: it gives no spread, so an interval here is that of our runs alone."]
    if marked:
        said.append(
            f"Whether the paper holds: {marked} of {len(found['rows'])} rows are not at its scale and have no difference to it."
        )
    return [*said, f"{chosen}, as in the paper."]
