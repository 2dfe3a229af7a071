"""The memory of a preparation does not depend on how many images there are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_prep.pictures import encode_image

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, resource, sys
from data_prep.__main__ import main
code = main(sys.argv[1:])
print(json.dumps([resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]))
sys.exit(code)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_eight_times_the_images_take_the_same_memory(tmp_path: Path, workers: int) -> None:
    """Pictures of 190 KiB: holding a shard's rows, a quarter of the images, would take 55 MiB more."""
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    (tmp_path / "one.png").write_bytes(encode_image(noise, as_jpeg=False))
    peaks = []
    for count in (168, 8 * 168):
        raw, out = tmp_path / f"raw{count}", tmp_path / f"out{count}"
        (raw / "images").mkdir(parents=True)
        (raw / "masks").mkdir()
        for number in range(count):
            os.link(tmp_path / "one.png", raw / "images" / f"{number:05d}.png")
        arguments = ["folder", "--raw", raw, "--out", out, "--classes", "a,b", "--workers", workers]
        arguments += ["--val-fraction", 0, "--shard-mib", 1000]
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        peaks.append(json.loads(done.stdout.splitlines()[-1]))
    for few, many in zip(*peaks, strict=True):
        assert many < few + 12, peaks  # MiB
