"""Named extra losses. A term sees one step and returns one number; to add one, write a file with a function and a line here."""

from ctt_ray.engine.terms.contrast import contrast_high, contrast_low, low_queries
from ctt_ray.engine.terms.view import Draws, PeerRows, Queries, StepView, TermFn, number, rows

__all__ = ["TERMS", "Draws", "PeerRows", "Queries", "StepView", "TermFn", "low_queries", "number", "rows"]

TERMS: dict[str, TermFn] = {"contrast_high": contrast_high, "contrast_low": contrast_low}
