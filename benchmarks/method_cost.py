"""python -m benchmarks.method_cost [recipes/table4 ...]: CPU time and memory of one step of each method, or of each row of
recipes, each in a process of its own.

The step is one in which a method learns from everything it has: past its stages, banks full. Memory is the peak of the process
while it builds its networks and steps, less what it held before.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ctt_ray.methods import METHODS
from tune_spaces import load

REFERENCE = "supervised"
CROP, STEPS, ITERATIONS = 96, 6, 20


def measure(values: dict[str, Any]) -> str:
    """Median CPU milliseconds of a step and its memory in MiB, as two words."""
    import torch

    from benchmarks import step_cost
    from ctt_ray.batch import Batch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    batch = Batch(step_cost.samples(0, CROP), step_cost.samples(1, CROP))
    before = _mib("VmRSS")
    engine = step_cost.engine_of(values.pop("method"), {"crop": (CROP, CROP), "iterations": ITERATIONS, **values})
    engine.iteration = ITERATIONS - STEPS
    spent = []
    for _ in range(STEPS):
        start = time.process_time()
        engine.step(batch)
        spent.append(1000 * (time.process_time() - start))
    return f"{statistics.median(spent[1:]):.0f} {_mib('VmHWM') - before:.0f}"


def _mib(what: str) -> float:
    """Of this process: VmRSS, what it holds, or VmHWM, the most it ever held."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) / 1024


def rows(recipes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Label → method and values: of the recipes' rows, or of every method by itself."""
    if not recipes:
        return {method: {"method": method} for method in METHODS}
    found = {REFERENCE: {"method": REFERENCE}}
    for name in recipes:
        recipe = load(name).recipe
        assert recipe is not None, f"{name} is a space that searches"
        found |= {row.label: dict(row.values) for row in recipe.rows}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--values", type=json.loads, help="one row in this process, as JSON")
    args = parser.parse_args()
    if args.values:
        print(measure(args.values))
        return
    print(f"one step: MobileNetV2, DeepLabV3+ (D 64), 4+4 crops of {CROP}², fp32, one thread")
    reference = 0.0
    for label, values in sorted(rows(args.recipes).items(), key=lambda row: row[0] != REFERENCE):
        command = [sys.executable, "-m", "benchmarks.method_cost", "--values", json.dumps(values)]
        words = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        ms, mib = float(words[0]), float(words[1])
        reference = reference or ms
        print(f"  {label:<20} {ms:6.0f} ms  {ms / reference:5.2f} x {REFERENCE}  {mib:6.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
