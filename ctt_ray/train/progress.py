"""One plain line a report, and a warning under it where an alarm was raised."""

from __future__ import annotations

from ctt_ray.train.alarm import COLLAPSED, COUPLED
from ctt_ray.train.session import WAIT, Metrics

SHORT = {"contrast_high": "hc", "contrast_low": "lc"}


def line(metrics: Metrics) -> str:
    """iteration, mIoU of every network, the losses, how full the banks are, how long a step waited for data."""
    parts = [f"it {metrics['iteration']}"]
    scores = [
        f"{key.removeprefix('miou/')} {value:.1f}"
        for key, value in metrics.items()
        if _is_network(key) and isinstance(value, float)
    ]
    if scores:
        parts.append("mIoU " + " ".join(scores))
    parts += [
        f"{_short(key)} {value:.3f}" for key, value in metrics.items() if _is_loss(key) and isinstance(value, float)
    ]
    if "pseudo/accuracy" in metrics:
        parts.append(f"pseudo-labels {metrics['pseudo/accuracy']:.2f} right")
    if "bank/min_fill" in metrics:
        parts.append(
            f"bank {metrics['bank/min_fill']}+"
            + (f" open since {metrics['bank/opened_at']}" if int(metrics["bank/opened_at"]) >= 0 else " shut")
        )
    if WAIT in metrics:
        parts.append(f"data {1000 * float(metrics[WAIT]):.0f} ms a step")
    parts.append(f"{metrics['seconds']:.0f} s")
    warnings = [f"\nwarning: {key}: {metrics[key]}" for key in (COLLAPSED, COUPLED) if key in metrics]
    return " · ".join(parts) + "".join(warnings)


def _is_network(key: str) -> bool:
    return key.startswith("miou/") and not key.endswith("_mean")


def _is_loss(key: str) -> bool:
    return key.rpartition("/")[2] in {"sup", "ct", *SHORT}


def _short(key: str) -> str:
    network, _, loss = key.rpartition("/")
    return f"{network}/{SHORT.get(loss, loss)}"
