"""How many images are labelled: '1/8', '0.125' or '40'."""

from __future__ import annotations

from fractions import Fraction

from data_prep.errors import UsageError


def parse_amount(text: str, total: int) -> int:
    """'1/8' or '0.125' of total, rounded to the nearest, or a count. Raises UsageError, also when nothing is left."""
    try:
        amount = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"--labelled {text}: give a fraction (1/8, 0.125) or a count (40).") from None
    is_share = "/" in text or "." in text
    if is_share and amount > 1:
        raise UsageError(f"--labelled {text}: a fraction is at most 1; a count has no '.' and no '/'.")
    count = int(amount * total + Fraction(1, 2)) if is_share else int(amount)
    if count < 1:
        raise UsageError(f"--labelled {text} of {total} images makes {count} labelled images; at least 1 is needed.")
    if count > total:
        raise UsageError(f"--labelled {text}: only {total} images have a usable mask.")
    return count


def in_a_name(labelled: str) -> str:
    """'1/8' → '1-8', '0.125' → '0.125', '40' → 'n40'."""
    return labelled.replace("/", "-") if "/" in labelled or "." in labelled else f"n{labelled}"
