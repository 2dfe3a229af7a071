"""Who is to blame: texts as Ray and torch write them, and what the campaign does about a death."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ray.exceptions import OutOfMemoryError, RayActorError

from ctt_ray.cli import ClusterError
from ctt_ray.tune import attempts, failures
from ctt_ray.tune.attempts import Recorder
from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import Folder, Outcome, Record
from ctt_ray.tune.recovery import Recovery
from ctt_ray.tune.settings import Settings
from ctt_ray.tune.trial import WorkersDied, worker_failure

CRASH = """The actor died unexpectedly before finishing this task.
	class_name: ImplicitFunc
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly
exits with a connection error code 2. End of file. There are some potential root causes. (1) The process is killed by SIGKILL by
OOM killer due to high memory usage. (2) ray stop --force is called. (3) The worker is crashed unexpectedly due to SIGSEGV."""
NODE = """The actor died unexpectedly before finishing this task.
The actor died because its node has died. Node Id: 4e2f
	the actor's node was terminated unexpectedly: health check failed due to missing too many heartbeats"""
REFUSED = """ray::ImplicitFunc.train() (pid=41, ip=10.0.0.1)
Traceback (most recent call last):
  File "trial.py", line 62, in one_trial
ctt_ray.tune.claim.Refused: trial 0000 is still being trained by process 7 on node-3; end it"""
DRAINED = "The actor died because its node has died. Node Id: 4e2f\n\tthe actor's node was preempted: spot"
MONITOR = """Memory on the node (IP: 10.0.0.1) was 15.3GB / 16.0GB (0.956), which exceeds the memory usage threshold of 0.95.
Ray killed this worker because it was the most recently scheduled task"""


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (CRASH, "died"),
        (NODE, "preempted"),
        (DRAINED, "preempted"),
        (MONITOR, "memory"),
        (REFUSED, "refused"),
        ("", "died"),
        (
            "ray::trial()\nTraceback (most recent call last):\n  launch(preempted, its node has died)\nValueError: x",
            "died",
        ),
        ("Traceback (most recent call last):\n  x\nWorkersDied: a worker is gone, its node has died: y", "preempted"),
    ],
)
def test_what_a_death_means(text: str, cause: str) -> None:
    assert failures.death(text) == cause


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("", ""),
        ("ValueError: boom", "error"),
        ("Diverged: loss is nan at iteration 7", "diverged"),
        ("ctt_ray.train.loop.Diverged: loss is nan", "diverged"),
        ("FloatingPointError: x", "diverged"),
        ("OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "memory"),
        ("MemoryError: no message", "memory"),
        ("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried", "memory"),
        ("RuntimeError: shapes differ", "error"),
        ("NotApplied: the run built configuration", "not applied"),
    ],
)
def test_kinds(error: str, kind: str) -> None:
    assert failures.kind(error) == kind


class Diverged(ArithmeticError):
    pass


GLOO = RuntimeError("[gloo] Connection closed by peer")


@pytest.mark.parametrize(
    ("by_rank", "rank"),
    [
        ({0: GLOO, 1: RayActorError()}, 1),  # a dead process explains a broken connection
        ({0: GLOO, 1: ValueError("boom")}, 1),
        ({0: ValueError("a"), 1: ValueError("b")}, 0),
        ({0: RayActorError(), 1: Diverged("loss is nan")}, 1),
        ({0: GLOO, 1: MemoryError()}, 1),
        ({0: GLOO, 1: GLOO}, 0),
    ],
)
def test_the_worker_that_the_others_follow_from_is_blamed(by_rank: dict[int, BaseException], rank: int) -> None:
    assert failures.blamed(by_rank) is by_rank[rank]


def test_what_the_driver_raises_for_its_workers() -> None:
    def raised(failed: dict[int, BaseException]) -> BaseException:
        cause = RuntimeError("Training failed due to worker errors")
        cause.worker_failures = failed  # type: ignore[attr-defined]
        error = ClusterError("training failed")
        error.__cause__ = cause
        return worker_failure(error, lambda patience: lost)

    lost = False
    own = ValueError("boom")
    assert raised({0: own, 1: GLOO}) is own
    assert failures.kind(failures.named(raised({0: OutOfMemoryError("over")}))) == "memory"
    for words, cause in ((CRASH, "died"), (NODE, "preempted"), (MONITOR, "memory")):
        gone = raised({0: GLOO, 1: RayActorError("00", words)})
        assert isinstance(gone, WorkersDied) and failures.death(str(gone)) == cause
    lost = True
    assert failures.death(str(raised({0: RayActorError("00", CRASH)}))) == "preempted"


def ended(state: str, reason: str = "") -> Record:
    return Record(None, [], Outcome(state, 0, None, 0, reason))  # type: ignore[arg-type]


def test_a_hopeless_campaign_is_one_where_more_than_the_share_failed_and_four_ended() -> None:
    bad, good = ended("failed", "ValueError: boom"), ended("complete")
    assert failures.hopeless([bad, bad, bad], 0.5) == ""
    assert failures.hopeless([bad, bad, good, good], 0.5) == ""
    said = failures.hopeless([bad, bad, good, ended("failed", "MemoryError: no message"), Record(None)], 0.5)  # type: ignore[arg-type]
    assert said == (
        "3 of 4 finished trials failed, more than --max-failed-share 0.5 allows. "
        "Commonest: 2 x ValueError: boom; 1 x MemoryError: no message"
    )
    assert failures.hopeless([bad] * 9, 1.0) == ""


@pytest.fixture
def recovery(folder: Folder, settings: Settings, put: Callable[..., None]) -> Recovery:
    put("0000", {10: 1.0})
    said: list[str] = []
    board = Board(folder, iterations=settings.iterations, total=settings.trials)
    made = Recovery(board, said.append, lambda nodes, patience: nodes == ["gone"] and (patience > 0))
    made.said = said  # type: ignore[attr-defined]
    return made


def outcome(recovery: Recovery) -> Outcome | None:
    return recovery.board.folder.record("0000").outcome


def test_preemptions_cost_no_retry(recovery: Recovery) -> None:
    for _ in range(3 * failures.RESTARTS):
        Recorder(recovery.board.folder.trial("0000"), cpus=1, gpus=0)
        assert not recovery.died("0000", NODE)
    found = attempts.read(recovery.board.folder.trial("0000"))
    assert {attempt.how for attempt in found} == {"preempted"} and attempts.deaths(found) == 0
    assert outcome(recovery) is None
    assert "its node was taken away" in recovery.said[-1]  # type: ignore[attr-defined]


def test_a_process_that_dies_again_and_again_is_lost(recovery: Recovery) -> None:
    assert [recovery.died("0000", CRASH) for _ in range(failures.RESTARTS + 1)] == [False] * failures.RESTARTS + [True]
    end = outcome(recovery)
    assert end is not None and (end.state, end.kind, end.miou) == ("failed", "lost", None)
    assert end.reason == "its process died 4 times; the last output is in Ray's log"


def test_a_refused_claim_costs_no_retry_and_no_attempt_and_is_told(recovery: Recovery) -> None:
    Recorder(where := recovery.board.folder.trial("0000"), cpus=1, gpus=0, node="gone")
    for _ in range(3 * failures.RESTARTS):
        assert not recovery.died("0000", REFUSED)
    assert [attempt.how for attempt in attempts.read(where)] == [""]
    assert outcome(recovery) is None
    assert recovery.said[-1] == "trial 0000 is still being trained by process 7 on node-3; end it"  # type: ignore[attr-defined]


def test_the_memory_monitor_ends_a_trial_at_once(recovery: Recovery) -> None:
    Recorder(recovery.board.folder.trial("0000"), cpus=1, gpus=0)
    assert recovery.died("0000", MONITOR)
    end = outcome(recovery)
    assert end is not None and (end.state, end.kind) == ("failed", "memory")
    assert [attempt.how for attempt in attempts.read(recovery.board.folder.trial("0000"))] == ["failed"]


def test_a_lost_connection_to_a_node_that_is_gone_is_a_preemption(recovery: Recovery) -> None:
    """What Ray says first when a raylet is killed; a node is only waited for when Ray does not know itself."""
    where = recovery.board.folder.trial("0000")
    unavailable = (
        "The actor 77067e is unavailable: RpcError: Socket closed. The task may or may not have been executed."
    )
    for node, words, how in (
        ("gone", unavailable, "preempted"),
        ("alive", unavailable, "died"),
        ("gone", CRASH, "died"),
    ):
        Recorder(where, cpus=1, gpus=0, node=node)
        recovery.died("0000", words)
        assert attempts.read(where)[-1].how == how
