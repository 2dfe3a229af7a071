"""What a run really trained on, noted by itself: a line a step, with the samples' numbers and what their pixels were."""

from __future__ import annotations

import json
import time
import zlib
from pathlib import Path

from ctt_ray.batch import Batch, Samples
from ctt_ray.engine import Engine


def note_steps(folder: Path, *, rank: int, world: int, pause: float) -> None:
    """From now on each step of this process leaves a line in folder/TIME_rank.jsonl, and takes `pause` seconds longer."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{time.time_ns()}_{rank}.jsonl"
    once = Engine.step

    def step(engine: Engine, batch: Batch) -> None:
        once(engine, batch)
        time.sleep(pause)
        note = {
            "iteration": engine.iteration,
            "rank": rank,
            "world": world,
            "labelled": batch.labelled.number_B.tolist(),
            "unlabelled": batch.unlabelled.number_B.tolist(),
            "samples": [*_samples(0, batch.labelled), *_samples(1, batch.unlabelled)],
            "time": time.time(),
        }
        with path.open("a") as out:
            out.write(json.dumps(note) + "\n")

    Engine.step = step  # type: ignore[method-assign]  # in a process that ends with the run


def _samples(half: int, samples: Samples) -> list[list[int]]:
    """[half, number, key, checksum of image and label] of each."""
    parts = zip(samples.image_B3HW.numpy(), samples.label_BHW.numpy(), strict=True)
    pixels = [zlib.crc32(image_3HW.tobytes() + label_HW.tobytes()) for image_3HW, label_HW in parts]
    return [
        [half, number, key, found]
        for number, key, found in zip(samples.number_B.tolist(), samples.key_B.tolist(), pixels, strict=True)
    ]
