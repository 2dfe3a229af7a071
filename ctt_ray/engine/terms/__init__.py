"""Named extra losses. A term sees one step and returns one number; to add one, write a file with a function and a line here."""

from ctt_ray.engine.terms.contrast import contrast_high, contrast_low, low_queries
from ctt_ray.engine.terms.corrector import approved, corrected
from ctt_ray.engine.terms.flaws import guided
from ctt_ray.engine.terms.image_critic import feature_matching, trusted_images
from ctt_ray.engine.terms.pixel_critic import adversarial, trusted_pixels
from ctt_ray.engine.terms.vat import virtual_adversarial
from ctt_ray.engine.terms.view import Draws, PeerRows, Queries, StepView, TermFn, number, rows

__all__ = ["TERMS", "Draws", "PeerRows", "Queries", "StepView", "TermFn", "low_queries", "number", "rows"]

TERMS: dict[str, TermFn] = {
    "adversarial": adversarial,
    "approved": approved,
    "contrast_high": contrast_high,
    "contrast_low": contrast_low,
    "corrected": corrected,
    "feature_matching": feature_matching,
    "guided": guided,
    "trusted_images": trusted_images,
    "trusted_pixels": trusted_pixels,
    "virtual_adversarial": virtual_adversarial,
}
