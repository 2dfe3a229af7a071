"""python -m benchmarks.stream_ray PARQUET BATCH EPOCHS CROP LOW HIGH: Ray Data with the stream's own functions, in a cluster of
its own that ends with it. Prints [CPU seconds of all its processes, wall seconds] of each epoch after the first, as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time

import numpy as np
import psutil
import ray
import ray.data


def main(parquet: str, batch: int, epochs: int, side: int, low: float, high: float) -> None:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    ray.data.DataContext.get_current().enable_progress_bars = False

    def crop(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        from benchmarks.stream_data import ours
        from ctt_ray.stream.views import ViewSpec

        spec, rng = ViewSpec((side, side), (low, high)), np.random.default_rng()
        encoded = zip(rows["image"], rows["mask"], strict=True)
        views = [ours(*(np.frombuffer(cell["bytes"], np.uint8) for cell in row), spec, rng) for row in encoded]
        return {name: np.stack(part) for name, part in zip(("image", "label"), zip(*views, strict=True), strict=True)}

    logging.getLogger("ray.data").setLevel(logging.WARNING)
    found = []
    for _ in range(epochs + 1):
        before, begun = _cpu(), time.perf_counter()
        made = ray.data.read_parquet(parquet).select_columns(["image", "mask"]).map_batches(crop, batch_size=batch)
        for _ in made.iter_torch_batches(batch_size=batch, local_shuffle_buffer_size=100):
            pass
        found.append([_cpu() - before, time.perf_counter() - begun])
    ray.shutdown()
    print(json.dumps(found[1:]))


def _cpu() -> float:
    """Seconds of this process and of all that it started; those that have ended count for their parents."""
    me = psutil.Process()
    total = 0.0
    for process in [me, *me.children(recursive=True)]:
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.Error:
            continue
    return total


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]), *map(float, sys.argv[5:]))
