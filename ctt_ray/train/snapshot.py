"""Ray Train's record of a run's checkpoints, made anew from the checkpoints themselves where a kill has cut it.

Ray rewrites RUN/checkpoint_manager_snapshot.json in place and refuses a run whose record it cannot read. The checkpoint
folders beside it are the truth: those that are whole, with the metrics that result.jsonl has for them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import ray

from ctt_ray.train.session import BETWEEN, PREFIX, SCORE, Metrics, read_results

SNAPSHOT = "checkpoint_manager_snapshot.json"


def mend(run: Path) -> bool:
    """Whether the record had to be made anew. A run without one, or with a readable one, is left alone."""
    path = run / SNAPSHOT
    if not path.is_file() or _readable(path):
        return False
    places = [place for place in run.glob(f"{PREFIX}*") if place.is_dir()]
    places.sort(
        key=lambda place: (place.name.removesuffix(BETWEEN), not place.name.endswith(BETWEEN))
    )  # as they were made
    names = max((_names(place) for place in places), key=len, default=set())
    whole = [place.name for place in places if _names(place) == names and all(map(_whole, place.iterdir()))]
    if not whole:
        path.unlink()
        return True
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(_record(whole, read_results(run))))
    os.replace(beside, path)
    return True


def _readable(path: Path) -> bool:
    try:
        named = [result["checkpoint_dir_name"] for result in json.loads(path.read_text())["checkpoint_results"]]
    except (json.JSONDecodeError, KeyError, TypeError):
        return False
    return all((path.parent / name).is_dir() for name in named)


def _names(place: Path) -> set[str]:
    return {file.name for file in place.iterdir()}


def _whole(file: Path) -> bool:
    """Whether a file of a checkpoint was copied to its end: both of its formats tell their own length."""
    try:
        if file.suffix == ".json":
            json.loads(file.read_text())
        if file.suffix == ".safetensors":
            with file.open("rb") as source:
                length = int.from_bytes(source.read(8), "little")
                header = json.loads(source.read(length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
            return file.stat().st_size == 8 + length + max(ends, default=0)
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError):
        return False
    return True


def _metrics(name: str, reports: dict[int, Metrics]) -> Metrics:
    iteration = int(name.removeprefix(PREFIX).removesuffix(BETWEEN))
    return {"iteration": iteration} if name.endswith(BETWEEN) else reports.get(iteration, {})


def _record(names: list[str], lines: list[Metrics]) -> dict[str, Any]:
    """As Ray Train writes it: the results by rising score, their order of arrival, and the latest."""
    metrics = {int(line["iteration"]): line for line in lines}
    results = [{"version": 0, "checkpoint_dir_name": name, "metrics": _metrics(name, metrics)} for name in names]
    by_score = sorted(results, key=lambda result: result["metrics"].get(SCORE, float("-inf")))  # type: ignore[attr-defined]
    return {
        "ray_version": ray.__version__,
        "checkpoint_results": by_score,
        "checkpoint_report_indices": [results.index(result) for result in by_score],
        "latest_checkpoint_result": results[-1],
        "pending_training_results": [],
        "pending_validation_specs": [],
        "current_report_index": len(results),
        "validated_checkpoint_dir_names": [],
        "timed_out_validation_checkpoint_dir_names": [],
        "failed_validation_checkpoint_dir_names": [],
    }
