"""Rounds of pseudo-labels for methods that take in more of them each time."""

from ctt_ray.plan import Stage


def growing(first: float, rounds: int, keep: float) -> tuple[Stage, ...]:
    """A stage on labels, `first` of the run, then equal rounds that keep from `keep` to 100 % of each class, evenly spaced."""
    shares = [keep + (1 - keep) * n / max(1, rounds - 1) for n in range(rounds)]
    return (
        Stage(share=first, labels_only=True),
        *(Stage(share=(1 - first) / rounds, keep=1.0 if n == rounds - 1 else s) for n, s in enumerate(shares)),
    )
