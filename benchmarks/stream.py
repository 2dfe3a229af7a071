"""python -m benchmarks.stream: how fast batches are made, against the bare decode-and-crop loop and against others.

Ceiling, our stream and our stream from an S3 server take turns batch by batch, so that a busy machine slows all of them alike;
the others an epoch each, beside the ceiling's in the same round. Images per CPU second of all processes decide; the wall's are
beside them. Single-threaded, but what others start."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.stream_data import CLASSES, Set, make, ours
from ctt_ray.stream import SegStream
from ctt_ray.stream.views import ViewSpec

BATCH, SPEC = 10, ViewSpec((321, 321), (0.5, 2.0))
LOCAL_AT_LEAST = 0.9  # of the ceiling
STORE_AT_LEAST = 0.95  # of local
VOC = Path(__file__).resolve().parents[2] / "shared" / "data" / "voc_subset"
Spent = dict[str, list[tuple[float, float]]]  # name → (CPU seconds, wall seconds) of each round
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "not-a-secret", "AWS_REGION": "us-east-1"}


def ceiling(data: Set) -> Callable[[], None]:
    """A batch's worth of images from memory, decoded and cropped, not even put together."""
    encoded, rng = data.in_memory(), np.random.default_rng(0)
    order = (place for _ in count() for place in rng.permutation(len(encoded)))

    def batch() -> None:
        for _ in range(BATCH):
            ours(*encoded[next(order)], SPEC, rng)

    return batch


def stream(data: Path | str, loaders: int = 0) -> Callable[[], object]:
    """The next batch."""
    made = SegStream(
        data, labelled="all", crop=SPEC.crop, scale=SPEC.scale, flip=SPEC.flip, rotation=0.0,
        batch_labelled=BATCH, batch_unlabelled=0, seed=0, loaders=loaders,
    )  # fmt: skip
    batches = iter(made)
    return lambda: next(batches)


def in_turns(variants: Mapping[str, Callable[[], object]], *, times: int, rounds: int) -> Spent:
    """Each variant `times` times a round, one call each in turns; a round before the first is not counted."""
    spent: Spent = {name: [] for name in variants}
    for round_ in range(rounds + 1):
        totals = {name: np.zeros(2) for name in variants}
        for _ in range(times):
            for name, function in variants.items():
                begun = time.process_time(), time.perf_counter()
                function()
                totals[name] += (time.process_time() - begun[0], time.perf_counter() - begun[1])
        for name, (cpu, wall) in totals.items():
            if round_:
                spent[name].append((cpu, wall))
    return spent


def ray_data(data: Set, epochs: int) -> list[tuple[float, float]]:
    numbers = [BATCH, epochs, SPEC.crop[0], *SPEC.scale]
    command = [sys.executable, "-m", "benchmarks.stream_ray", str(data.parquet), *map(str, numbers)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [(cpu, wall) for cpu, wall in json.loads(printed.splitlines()[-1])]


@contextmanager
def store(shards: Path, root: Path) -> Iterator[str]:
    """The shards' URL on an S3 server of its own process, with a cache under root."""
    import boto3

    port = 20_000 + os.getpid() % 20_000
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    os.environ |= {**KEYS, "AWS_ENDPOINT_URL": url, "CTT_RAY_CACHE": str(root / "cache")}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    try:
        for _ in range(100):
            try:
                client.create_bucket(Bucket="bench")
                break
            except Exception:  # not listening yet
                time.sleep(0.2)
        for path in shards.iterdir():
            if path.is_file():
                client.put_object(Bucket="bench", Key=f"data/{path.name}", Body=path.read_bytes())
        yield "s3://bench/data"
    finally:
        server.terminate()
        server.wait()


def show(spent: Spent, images: int, *, reference: str) -> dict[str, float]:
    """A row a variant; name → median over rounds of its CPU speed over the reference's in the same round."""
    ratios = {}
    for name, found in spent.items():
        pairs = zip(spent[reference], found, strict=True)
        ratios[name] = statistics.median(base[0] / mine[0] for base, mine in pairs)
        cpu, wall = (images / statistics.median(part) for part in zip(*found, strict=True))
        print(f"| {name} | {cpu:.0f} | {ratios[name]:.3f} | {wall:.0f} |", flush=True)
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voc", type=Path, default=VOC, help="VOC 2012, or none for painted images")
    parser.add_argument("--images", type=int, default=320, help="a multiple of ten")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="bench_stream_") as folder:
        root = Path(folder)
        data = make(root, args.voc, args.images)
        measure(data, root, images=args.images // BATCH * BATCH, rounds=args.rounds)


def measure(data: Set, root: Path, *, images: int, rounds: int) -> None:
    from benchmarks.stream_others import streaming, torchvision_files  # not in loader processes, which import this file

    times = images // BATCH
    print(f"{data.what}; {CLASSES} classes, crops of {SPEC.crop}, scale {SPEC.scale}, batches of {BATCH}\n")
    print("| | images a CPU second | x ceiling | images a second |\n|---|---|---|---|")
    bare, local = "the bare loop: ceiling", "our stream, no loader processes"
    with store(data.shards, root) as url:
        variants = {bare: ceiling(data), local: stream(data.shards), "our stream from S3, warm cache": stream(url)}
        near = in_turns(variants, times=times, rounds=2 * rounds)
    ratios = show(near, images, reference=bare)
    far = statistics.median(
        a[0] / b[0] for a, b in zip(near[local], near["our stream from S3, warm cache"], strict=True)
    )
    batch = ceiling(data)
    others = {
        "(the ceiling again)": lambda: [batch() for _ in range(times)],
        "datasets streaming, arrow": streaming("arrow", data, SPEC, BATCH),
        "datasets streaming, parquet": streaming("parquet", data, SPEC, BATCH),
        "files, torchvision RandomResizedCrop of PIL": torchvision_files("crop", data, SPEC, BATCH),
        "files, torchvision RandomResizedCrop of a tensor": torchvision_files("tensor", data, SPEC, BATCH),
        "files, torchvision RandomResize, RandomCrop of PIL": torchvision_files("resize", data, SPEC, BATCH),
    }
    spent = in_turns(others, times=1, rounds=rounds)
    spent["Ray Data, parquet, two CPUs"] = ray_data(data, rounds)
    show(spent, images, reference="(the ceiling again)")
    for loaders in (1, 2):
        (walls,) = in_turns({"": stream(data.shards, loaders)}, times=times, rounds=rounds).values()
        print(f"| our stream, {loaders} loader processes | | | {images / statistics.median(w for _, w in walls):.0f} |")
    print(
        f"\nlocal / ceiling {ratios[local]:.3f}, wanted {LOCAL_AT_LEAST}; S3 / local {far:.3f}, wanted {STORE_AT_LEAST}"
    )
    assert ratios[local] >= LOCAL_AT_LEAST, "making batches costs too much beside decoding and cropping"
    assert far >= STORE_AT_LEAST, "the cache costs too much beside a folder"


if __name__ == "__main__":
    main()
