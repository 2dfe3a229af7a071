"""Ray's book of what is reserved for whom, which elastic runs are sized by: it is brought up to date here when nodes change.

Ray does so every 20 s; until then it starts workers on nodes that are gone, and waits for them. There is no public call, so
a release without it is left to its own pace.
"""

from __future__ import annotations

import contextlib

import ray


def refresh() -> None:
    with contextlib.suppress(ImportError, AttributeError, TypeError, ray.exceptions.RayError):
        from ray.data._internal.cluster_autoscaler.default_autoscaling_coordinator import (
            get_or_create_autoscaling_coordinator,
        )

        book = get_or_create_autoscaling_coordinator()
        ray.get(book.get_reserved_resources.remote("", recompute=True), timeout=5)
