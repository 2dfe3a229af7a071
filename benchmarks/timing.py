"""CPU time of alternatives, interleaved in one process so that a busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def cpu_ms(variants: Mapping[str, Callable[[], object]], *, repeats: int) -> dict[str, float]:
    """Median CPU milliseconds of one call of each variant, after one unmeasured call."""
    spent: dict[str, list[float]] = {name: [] for name in variants}
    for round_ in range(repeats + 1):
        for name, function in variants.items():
            start = time.process_time()
            function()
            if round_:
                spent[name].append(1000 * (time.process_time() - start))
    return {name: statistics.median(values) for name, values in spent.items()}


def show(title: str, spent: Mapping[str, float], *, reference: str) -> None:
    print(title)
    for name, value in spent.items():
        print(f"  {name:<34} {value:9.2f} ms   {value / spent[reference]:5.2f} x {reference}")
