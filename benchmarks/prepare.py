"""python -m benchmarks.prepare [--images 100000] [--few 10000] [--out benchmarks/results]: many small images to shards.

A folder of 64x64 JPEGs with PNG masks, 200 distinct ones linked under as many names as asked for, prepared by
`python -m data_prep folder` with one and with two workers. Wall time, CPU time of all processes, and the peak memory of all
of them together (resident sizes added up: pages they share count more than once). Memory an image and ratios of CPU time
are asserted, wall times are not.
"""

from __future__ import annotations

import argparse
import datetime
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import psutil

from data_prep.files import sha256_of
from data_prep.options import cpus
from data_prep.pictures import encode_image, encode_mask

SIDE, DISTINCT, CLASSES = 64, 200, 8
WORKERS = (1, 2)
LISTED_AT_MOST = 1.0  # KiB of memory for each image more: its place in the list of files
CPU_AT_MOST = 1.3  # CPU time of two workers against one: what messages and starting processes may cost


class Run(NamedTuple):
    """What one preparation took."""

    images: int
    workers: int
    wall: float  # seconds
    cpu: float
    peak: float  # MiB


def draw(place: Path) -> None:
    """The distinct pictures: smooth colours and a mask of blocks."""
    rng = np.random.default_rng(0)
    place.mkdir()
    for number in range(DISTINCT):
        image = cv2.resize(
            rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR
        )
        mask = np.kron(rng.integers(0, CLASSES, (8, 8), dtype=np.uint8), np.ones((8, 8), np.uint8))
        (place / f"{number}.jpg").write_bytes(encode_image(image, as_jpeg=True))
        (place / f"{number}.png").write_bytes(encode_mask(mask))


def link(distinct: Path, raw: Path, images: int) -> None:
    for folder, suffix in (("images", "jpg"), ("masks", "png")):
        (raw / folder).mkdir(parents=True)
        for number in range(images):
            os.link(distinct / f"{number % DISTINCT}.{suffix}", raw / folder / f"{number:07d}.{suffix}")


def prepare(raw: Path, out: Path, images: int, workers: int) -> Run:
    names = ",".join(f"c{index}" for index in range(CLASSES))
    command = [sys.executable, "-m", "data_prep", "folder", "--raw", raw, "--out", out, "--classes", names]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen([*map(str, command), "--workers", str(workers)], stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, memory(process.pid))
        time.sleep(0.2)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert process.returncode == 0, f"exit code {process.returncode}"
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(images, workers, time.monotonic() - begun, cpu, peak)


def memory(pid: int) -> float:
    """MiB of a process and of all below it."""
    total = 0
    try:
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            total += member.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # it ended between two looks
    return total / 2**20


def table(runs: list[Run]) -> list[str]:
    lines = [
        "| images | workers | images/s | wall s | CPU ms an image | peak MiB, all processes |",
        "|---|---|---|---|---|---|",
    ]
    for run in runs:
        speed, each = run.images / run.wall, 1000 * run.cpu / run.images
        lines.append(f"| {run.images:,} | {run.workers} | {speed:.0f} | {run.wall:.0f} | {each:.2f} | {run.peak:.0f} |")
    return lines


def check(runs: list[Run]) -> None:
    by = {(run.images, run.workers): run for run in runs}
    few, many = (count(run.images for run in runs) for count in (min, max))
    for workers in WORKERS:
        grown = 1024 * (by[many, workers].peak - by[few, workers].peak) / (many - few)
        assert grown <= LISTED_AT_MOST, f"{workers} workers: memory grows by {grown:.2f} KiB an image"
    ratio = by[many, 2].cpu / by[many, 1].cpu
    assert ratio <= CPU_AT_MOST, f"two workers take {ratio:.2f} times the CPU time of one"


def measured(images: int, few: int, place: Path) -> list[Run]:
    """All runs, few images first; every pair must give the same shards."""
    draw(place / "distinct")
    runs = []
    for count in (few, images):
        link(place / "distinct", place / f"raw{count}", count)
        hashes = set()
        for workers in WORKERS:
            out = place / f"out{count}_{workers}"
            runs.append(prepare(place / f"raw{count}", out, count, workers))
            hashes.add(sha256_of(out / "manifest.json"))
            shutil.rmtree(out)
        assert len(hashes) == 1, "the number of workers changed the result"
    return runs


def hardware() -> str:
    """'2 cores of an AMD EPYC server, 24 GB'."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name")), "unknown CPU")
    return f"{cpus()} cores of an {model} server, {psutil.virtual_memory().total / 2**30:.0f} GB"


def write(folder: Path, lines: list[str]) -> None:
    today = datetime.date.today().isoformat()
    head = [
        f"# {today}, {hardware()}: preparing {SIDE}x{SIDE} JPEGs with PNG masks",
        "",
        "`python -m benchmarks.prepare`",
        "",
    ]
    with (folder / f"{today}_prepare.md").open("a", encoding="utf-8") as stream:
        stream.write("\n".join([*head, *lines, ""]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--out", type=Path, help="append the table to a dated page in this folder")
    parser.add_argument(
        "--hardware", default="2 cores of an AMD EPYC server, 24 GB", help="how the page calls the machine"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        runs = measured(asked.images, asked.few, Path(place))
    lines = table(runs)
    print("\n".join(lines))
    check(runs)
    if asked.out:
        write(asked.out, lines)


if __name__ == "__main__":
    main()
