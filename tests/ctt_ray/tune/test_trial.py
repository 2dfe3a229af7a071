"""A trial's own side, without a cluster: what it leaves in its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ray.exceptions import RayActorError

from ctt_ray.config import RunConfig
from ctt_ray.train.asks import Ask
from ctt_ray.train.session import Interrupted, Metrics, Moved, Session, resolve
from ctt_ray.tune import attempts, failures
from ctt_ray.tune import trial as trial_of
from ctt_ray.tune.folder import ERROR, Folder, Issued, write_text
from ctt_ray.tune.settings import Settings
from ctt_ray.tune.trial import Every, NotApplied, Work, check_applied, one_trial

Run = Callable[[RunConfig, Session], Metrics]


def work(folder: Folder, settings: Settings, run: Run) -> Work:
    return Work(folder.root, settings.base, run, workers=1, cpus=1, gpus=0)


def test_the_run_gets_the_sampled_configuration_and_reports_reach_ray(
    folder: Folder, settings: Settings, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    put("0000", {}, lr=0.07, phi=0.9)
    to_ray: list[Metrics] = []
    monkeypatch.setattr(trial_of.tune, "report", to_ray.append)

    def run(config: RunConfig, session: Session) -> Metrics:
        assert (config.optim.lr, config.params.phi) == (0.07, 0.9)
        assert session.resume_from() is None
        session.report(
            {"iteration": 10, "miou": 5.0, "config_hash": config.hash()}, lambda f: (f / "x").touch() or None
        )
        session.report({"iteration": 13, "config_hash": config.hash()}, None)  # a save without a score
        return {}

    one_trial(work(folder, settings, run), "0000")
    assert [metrics["miou"] for metrics in to_ray] == [5.0]
    assert folder.record("0000").iteration == 10
    assert folder.error("0000") == ""


def test_a_resumed_trial_repeats_the_report_that_it_resumes_from(
    folder: Folder, settings: Settings, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill may have come between a checkpoint and the campaign's hearing of its score: it hears before training goes on."""
    put("0000", {})
    told: list[object] = []
    monkeypatch.setattr(trial_of.tune, "report", lambda metrics: told.append(metrics["iteration"]))

    def run(config: RunConfig, session: Session) -> Metrics:
        found = session.resume_from()
        told.append("trains")
        at = 0 if found is None else int(found.name)
        session.report({"iteration": at + 10, "miou": 5.0, "config_hash": config.hash()}, lambda f: None)
        session.report({"iteration": at + 20, "miou": 6.0, "config_hash": config.hash()}, None)
        return {}

    one_trial(work(folder, settings, run), "0000")
    one_trial(work(folder, settings, run), "0000")
    assert told == ["trains", 10, 20, 10, "trains", 20, 30]


def test_another_configuration_than_sampled_fails_the_trial(
    folder: Folder, settings: Settings, put: Callable[..., None]
) -> None:
    put("0000", {})

    def run(config: RunConfig, session: Session) -> Metrics:
        session.report({"iteration": 10, "miou": 5.0, "config_hash": RunConfig().hash()}, None)
        return {}

    one_trial(work(folder, settings, run), "0000")
    assert folder.error("0000").startswith("NotApplied: the run has another configuration: it built")


def test_an_exception_becomes_the_trials_error_and_a_new_attempt_clears_it(
    folder: Folder, settings: Settings, put: Callable[..., None]
) -> None:
    put("0000", {})

    def broken(config: RunConfig, session: Session) -> Metrics:
        raise ValueError("boom\nand more")

    def interrupted(config: RunConfig, session: Session) -> Metrics:
        raise Interrupted("saved")

    one_trial(work(folder, settings, broken), "0000")
    assert folder.error("0000") == "ValueError: boom"
    assert "Traceback" in (folder.trial("0000") / ERROR).read_text()
    one_trial(work(folder, settings, interrupted), "0000")
    assert folder.error("0000") == ""


def test_the_end_of_a_worker_is_not_the_trials_failure(
    folder: Folder, settings: Settings, put: Callable[..., None]
) -> None:
    put("0000", {})

    def preempted(config: RunConfig, session: Session) -> Metrics:
        raise RayActorError

    with pytest.raises(RayActorError):
        one_trial(work(folder, settings, preempted), "0000")
    assert folder.error("0000") == ""


def test_a_trial_whose_node_is_to_be_taken_away_goes_back_to_the_queue(
    folder: Folder, settings: Settings, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saves, and what it raises makes Ray start it again; the campaign counts a preemption, no failure."""
    put("0000", {})
    monkeypatch.setattr(trial_of.nodes, "leaving", lambda: True)

    def run(config: RunConfig, session: Session) -> Metrics:
        assert session.asked() is Ask.MOVE
        session.save(7, lambda place: (place / "state.json").write_text("7"))  # type: ignore[arg-type,return-value]
        raise Moved("stopped at iteration 7 of 9, saved")

    with pytest.raises(trial_of.NodeTaken) as raised:
        one_trial(work(folder, settings, run), "0000")
    assert failures.death(str(raised.value)) == "preempted"
    left = attempts.read(folder.trial("0000"))[-1]
    assert (left.how, left.saved_iteration) == ("", 7), "the campaign writes the end when it hears of it"
    assert folder.error("0000") == "" and folder.record("0000").outcome is None


def test_hashes_must_agree() -> None:
    issued = Issued("0000", {}, {}, "abc")
    check_applied(issued, {"config_hash": "abc"})
    for metrics in ({"config_hash": "abd"}, {}):
        with pytest.raises(NotApplied, match="sampled was abc"):
            check_applied(issued, metrics)  # type: ignore[arg-type]


def test_the_stop_file_is_seen(tmp_path: Path) -> None:
    stopping = Every((tmp_path / "stop").exists, 0.0)
    assert not stopping()
    write_text(tmp_path / "stop", "")
    assert stopping()


def test_a_run_can_be_named_by_its_import_path() -> None:
    assert resolve("ctt_ray.config:nearest") is __import__("ctt_ray.config").config.nearest
