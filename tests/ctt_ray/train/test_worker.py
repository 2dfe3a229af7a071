"""What a Ray Train worker does before and after the loop, without Ray."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyarrow import fs

from ctt_ray.config import RunConfig, with_values
from ctt_ray.train import worker
from ctt_ray.train.session import LOOP, Interrupted, resolve


def test_a_worker_trains_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[RunConfig, object]] = []
    monkeypatch.setattr(worker, "RaySession", lambda **session: session)
    config = with_values(RunConfig(), {"iterations": 7})
    session = {"stop_file": "a/stop", "placement": "spread"}
    worker.train({"config": config.model_dump(mode="json"), "run": lambda *got: given.append(got), "session": session})
    assert given == [(config, session)]


def test_leaving_early_is_no_failure_to_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(config: RunConfig, session: object) -> None:
        raise Interrupted("saved")

    monkeypatch.setattr(worker, "RaySession", lambda: None)
    worker.train({"config": RunConfig().model_dump(mode="json"), "run": leave, "session": {}})


def test_the_loop_is_found_by_its_name() -> None:
    from ctt_ray.train.loop import run

    assert resolve(LOOP) is run and resolve(run) is run


def test_half_a_line_of_results_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "result.jsonl"
    path.write_text('{"iteration": 4, "miou": 1.5}\n{"iteration": 8, "mi')
    assert worker.read_lines(fs.LocalFileSystem(), str(path)) == [{"iteration": 4, "miou": 1.5}]
    kept = worker.ResultFile(fs.LocalFileSystem(), str(path))
    kept.keep_until(8)
    kept.add({"iteration": 8, "miou": 2.0})
    assert path.read_text() == '{"iteration": 4, "miou": 1.5}\n{"iteration": 8, "miou": 2.0}\n'
