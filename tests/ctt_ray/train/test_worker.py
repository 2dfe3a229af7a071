"""What a Ray Train worker does before and after the loop, without Ray."""

from __future__ import annotations

import pickle
from contextlib import nullcontext
from pathlib import Path

import pytest
from pyarrow import fs

from ctt_ray.config import RunConfig, with_values
from ctt_ray.train import worker
from ctt_ray.train.launch import finished
from ctt_ray.train.preemption import NodeTaken
from ctt_ray.train.session import LOOP, Interrupted, Moved, resolve
from ctt_ray.tune import failures


class Named(dict[str, object]):
    """Stands for the session: what it was made with."""

    listening = staticmethod(nullcontext)


def test_a_worker_trains_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[RunConfig, object]] = []
    monkeypatch.setattr(worker, "RaySession", Named)
    config = with_values(RunConfig(), {"iterations": 7})
    content = {"config": config.model_dump(mode="json"), "run": lambda *got: given.append(got)}
    worker.train({**content, "session": {"stop_file": "a/stop", "placement": "spread"}})
    assert given == [(config, Named(stop_file="a/stop", placement="spread"))]


def test_leaving_early_is_no_failure_to_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(config: RunConfig, session: object) -> None:
        raise Interrupted("saved")

    monkeypatch.setattr(worker, "RaySession", Named)
    worker.train({"config": RunConfig().model_dump(mode="json"), "run": leave, "session": {}})


def test_leaving_for_a_notice_is_to_ray_a_preemption_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's own judges look at what comes out of the worker's process, pickled on the way."""
    from ray.train.v2._internal.execution.failure_handling.default import _is_preemption_failure
    from ray.train.v2.api.exceptions import WorkerGroupError

    def leave(config: RunConfig, session: object) -> None:
        raise Moved("stopped at iteration 3 of 4, saved")

    monkeypatch.setattr(worker, "RaySession", Named)
    with pytest.raises(NodeTaken) as raised:
        worker.train({"config": RunConfig().model_dump(mode="json"), "run": leave, "session": {}})
    arrived = pickle.loads(pickle.dumps(raised.value))
    assert _is_preemption_failure(WorkerGroupError("", {0: arrived}))
    assert str(arrived) == "the node was preempted: stopped at iteration 3 of 4, saved"
    assert failures.is_death(arrived) and failures.death(str(arrived)) == "preempted"


def test_the_loop_is_found_by_its_name() -> None:
    from ctt_ray.train.loop import run

    assert resolve(LOOP) is run and resolve(run) is run


def test_half_a_line_of_results_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "result.jsonl"
    path.write_text('{"iteration": 4, "miou": 1.5}\n{"iteration": 8, "mi')
    assert worker.read_lines(fs.LocalFileSystem(), str(path)) == [{"iteration": 4, "miou": 1.5}]
    kept = worker.ResultFile(fs.LocalFileSystem(), str(tmp_path), path.name)
    kept.keep_until(8)
    kept.add({"iteration": 8, "miou": 2.0})
    assert path.read_text() == '{"iteration": 4, "miou": 1.5}\n{"iteration": 8, "miou": 2.0}\n'


def test_a_run_that_left_during_its_last_evaluation_is_not_finished() -> None:
    """What Ray hands back then is the latest checkpoint's, which has no score."""
    config = with_values(RunConfig(), {"iterations": 40})
    assert not finished({"iteration": 40}, config)
    assert not finished({"iteration": 30, "miou": 1.0}, config)
    assert finished({"iteration": 40, "miou": 1.0}, config)
