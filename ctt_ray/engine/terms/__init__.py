"""Named extra losses. A term sees one step and returns one number; to add one, write a file with a function and a line here."""

from ctt_ray.engine.terms.auxiliary_decoders import auxiliary_decoders
from ctt_ray.engine.terms.balanced_labels import balanced_labels
from ctt_ray.engine.terms.class_maps import class_maps
from ctt_ray.engine.terms.contrast import contrast_high, contrast_low, low_queries
from ctt_ray.engine.terms.corrector import approved, corrected
from ctt_ray.engine.terms.cross_set_contrast import cross_set_contrast
from ctt_ray.engine.terms.debiased_contrast import debiased_contrast
from ctt_ray.engine.terms.entropy import entropy
from ctt_ray.engine.terms.flaws import guided
from ctt_ray.engine.terms.fused_labels import fused_labels
from ctt_ray.engine.terms.image_critic import feature_matching, trusted_images
from ctt_ray.engine.terms.memory_contrast import memory_contrast
from ctt_ray.engine.terms.pixel_critic import adversarial, trusted_pixels
from ctt_ray.engine.terms.vat import virtual_adversarial
from ctt_ray.engine.terms.view import Draws, PeerRows, Queries, StepView, TermFn, number, rows

__all__ = ["ON_LABELS", "TERMS", "Draws", "PeerRows", "Queries", "StepView", "TermFn", "low_queries", "number", "rows"]

TERMS: dict[str, TermFn] = {
    "adversarial": adversarial,
    "approved": approved,
    "auxiliary_decoders": auxiliary_decoders,
    "balanced_labels": balanced_labels,
    "class_maps": class_maps,
    "contrast_high": contrast_high,
    "contrast_low": contrast_low,
    "corrected": corrected,
    "cross_set_contrast": cross_set_contrast,
    "debiased_contrast": debiased_contrast,
    "entropy": entropy,
    "feature_matching": feature_matching,
    "fused_labels": fused_labels,
    "guided": guided,
    "memory_contrast": memory_contrast,
    "trusted_images": trusted_images,
    "trusted_pixels": trusted_pixels,
    "virtual_adversarial": virtual_adversarial,
}
ON_LABELS = frozenset({"approved", "class_maps"})  # read labelled images alone, so they are learnt in a warm-up too
