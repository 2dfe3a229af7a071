"""Stages: when each begins, how long the learning-rate schedule is, and what a start copies, clears and draws anew."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_runs import make_batch, make_engine, parameters, same_state

from ctt_ray.batch import Batch
from ctt_ray.engine import Engine, networks
from ctt_ray.engine.stages import Timeline
from ctt_ray.maths.schedules import poly
from ctt_ray.plan import Follow, Plan, Stage


def timeline(iterations: int, *shares: float, restart: tuple[int, ...] = ()) -> Timeline:
    stages = tuple(Stage(share=share, restart=number in restart) for number, share in enumerate(shares))
    return Timeline(Plan(method="m", students=("s0",), stages=stages), iterations)


@pytest.mark.parametrize(
    ("iterations", "shares", "starts"),
    [
        (40, (1.0,), [0]),
        (40, (0.25, 0.75), [0, 10]),
        (100, (1 / 3, 1 / 3, 1 / 3), [0, 33, 67]),
        (80_000, (0.0125, 0.9875), [0, 1000]),
        (40, (0.0125, 0.9875), [0, 1]),  # half a step on labels is a step
        (100, (0.2, 0.001, 0.001, 0.798), [0, 20, 21, 22]),  # none is skipped
        (10, (0.98, 0.01, 0.01), [0, 8, 9]),  # nor the last ones
        (3, (0.01, 0.01, 0.98), [0, 1, 2]),
        (3, (0.98, 0.01, 0.01), [0, 1, 2]),
    ],
)
def test_starts_by_hand(iterations: int, shares: tuple[float, ...], starts: list[int]) -> None:
    assert timeline(iterations, *shares).starts == starts


def test_a_run_shorter_than_its_stages_begins_as_many_as_it_has_steps() -> None:
    line = timeline(2, 0.25, 0.25, 0.25, 0.25)
    assert [line.number(t) for t in range(2)] == [0, 1]


@given(
    parts=st.lists(st.floats(0.001, 1.0), min_size=1, max_size=6),
    iterations=st.integers(6, 300),
    restart=st.sets(st.integers(0, 5)),
)
def test_every_stage_has_a_step_and_every_step_a_stage(parts: list[float], iterations: int, restart: set[int]) -> None:
    shares = [part / sum(parts) for part in parts]
    line = timeline(iterations, *shares, restart=tuple(restart))
    numbers = [line.number(t) for t in range(iterations)]
    assert sorted(set(numbers)) == list(range(len(parts))) and numbers == sorted(numbers)
    assert [t for t in range(iterations) if line.begins(t)] == [
        t for t in range(1, iterations) if numbers[t] > numbers[t - 1]
    ]
    for number, share in enumerate(shares):  # a stage that is pushed aside gives way by a step a stage at most
        assert abs(numbers.count(number) - share * iterations) <= len(parts) + 1
    rates = [poly(*line.schedule(t)) for t in range(iterations)]
    fresh = [t for t in range(iterations) if t == 0 or (line.begins(t) and line.at(t).restart)]
    assert [t for t, rate in enumerate(rates) if rate == 1.0] == fresh
    assert all(b < a for t, (a, b) in enumerate(pairwise(rates)) if t + 1 not in fresh)


def test_the_schedule_runs_from_restart_to_restart() -> None:
    line = timeline(100, 0.1, 0.3, 0.2, 0.4, restart=(0, 1, 3))
    assert line.starts == [0, 10, 40, 60]
    expected = {
        0: (0, 10),
        9: (9, 10),
        10: (0, 50),
        39: (29, 50),
        40: (30, 50),
        59: (49, 50),
        60: (0, 40),
        99: (39, 40),
    }
    assert {t: line.schedule(t) for t in expected} == expected
    whole = timeline(100, 0.1, 0.9)
    assert [whole.schedule(t) for t in (0, 10, 99)] == [(0, 100), (10, 100), (99, 100)]


ROUNDS: dict[str, Any] = {"iterations": 9, "rounds": 2}  # stages begin at 0, 3 and 6


def nothing_to_learn() -> Batch:
    """A batch of images without a labelled or a pseudo-labelled pixel."""
    batch = make_batch(50)
    void, padding = (torch.full_like(batch.labelled.label_BHW, code) for code in (255, 254))
    return Batch(replace(batch.labelled, label_BHW=void), replace(batch.unlabelled, label_BHW=padding))


def at_start_of(stage: int, **values: Any) -> Engine:
    """Self-training, about to take the first step of a stage."""
    engine = make_engine("self_training", **{**ROUNDS, **values})
    for t in range(engine.timeline.starts[stage]):
        engine.step(make_batch(t))
    return engine


@pytest.mark.parametrize("stage", [1, 2])
def test_a_snapshot_is_the_student_before_its_restart_and_stands_still(stage: int) -> None:
    engine = at_start_of(stage)
    last = {key: value.clone() for key, value in engine.students["s0"].state_dict().items()}
    for t in range(3):
        engine.step(make_batch(20 + t))
        taught = engine.teachers["t0"].state_dict()
        assert all(torch.equal(value, taught[key]) for key, value in last.items())
    assert not torch.equal(parameters(engine)["s0"], parameters(engine)["t0"])


def test_before_its_stage_a_snapshot_is_left_alone() -> None:
    engine = make_engine("self_training", **ROUNDS)
    first = parameters(engine)["t0"]
    for t in range(3):
        engine.step(make_batch(t))
    assert torch.equal(parameters(engine)["t0"], first)
    assert not torch.equal(parameters(engine)["s0"], first)


def test_a_restart_gives_weights_of_its_own() -> None:
    """A step without anything to learn from leaves the fresh weights, buffers included, but for what BatchNorm saw: other ones
    at each restart, those of another seed, and the same in another run of this seed."""
    found = []
    for stage in (1, 2):
        engine = at_start_of(stage, weight_decay=0.0)
        engine.step(nothing_to_learn())
        found.append(parameters(engine)["s0"])
        fresh = networks.build_students(engine.plan, engine.config.net, classes=3, seed=0, turn=stage)["s0"]
        assert torch.equal(found[-1], torch.cat([p.detach().flatten() for p in fresh.parameters()]))
        moved = {
            key
            for key, value in fresh.state_dict().items()
            if not torch.equal(value, engine.students["s0"].state_dict()[key])
        }
        assert moved and all("running" in key or "num_batches" in key for key in moved)
        steps = engine.students["s0"].state_dict()["head.decoder.0.1.num_batches_tracked"]
        assert int(steps) == 2, "one labelled and one unlabelled pass since the restart"
    first = parameters(make_engine("self_training", **ROUNDS))["s0"]
    for one, other in ((found[0], found[1]), (found[0], first), (found[1], first)):
        assert (one != other).float().mean() > 0.9
    other_run = make_engine("self_training", seed=1, **ROUNDS)
    assert not torch.equal(parameters(other_run)["s0"], found[0])


def test_a_restart_clears_the_optimiser() -> None:
    """With nothing to learn from only momentum could move the fresh student."""
    engine = at_start_of(1, weight_decay=0.0)
    assert engine.optimisers["s0"].state_dict()["state"]
    engine.step(nothing_to_learn())
    momenta = engine.optimisers["s0"].state_dict()["state"].values()
    assert all(float(entry["momentum_buffer"].abs().max()) == 0.0 for entry in momenta)


def test_a_restart_begins_a_schedule_and_the_next_stage_ends_it() -> None:
    engine = make_engine("self_training", **ROUNDS)
    rates = []
    for t in range(9):
        engine.step(make_batch(t))
        rates.append(engine.optimisers["s0"].param_groups[0]["lr"])
    expected = [0.01 * (1 - t / 3) ** 0.9 for t in range(3)]
    assert rates == pytest.approx(expected * 3)


def test_a_stage_without_restart_goes_on() -> None:
    """Weights, momenta and schedule: rounds of DST-CBC are one run."""
    engine = make_engine("dst_cbc", weight_decay=0.0, iterations=9, warmup=1 / 3, rounds=2)
    for t in range(3):
        engine.step(make_batch(t))
    before = parameters(engine)["s0"]
    engine.step(nothing_to_learn())
    assert torch.equal(parameters(engine)["t0"], before)
    assert not torch.equal(parameters(engine)["s0"], before), "momentum moves it"
    assert engine.optimisers["s0"].param_groups[0]["lr"] == pytest.approx(0.01 * (1 - 3 / 9) ** 0.9)


def test_a_teacher_that_follows_from_a_stage_on_copies_there_and_averages_then() -> None:
    """Its own count of steps: the first update copies, the second is the plain mean."""

    def later(plan: Plan) -> Plan:
        stages = (Stage(share=0.5, labels_only=True), Stage(share=0.5))
        return replace(plan, stages=stages, follows=tuple(replace(follow, since=1) for follow in plan.follows))

    engine = make_engine("mean_teacher", later, iterations=6, ema_decay=0.9)
    start = parameters(engine)["t0"]
    for t in range(3):
        engine.step(make_batch(t))
    assert torch.equal(parameters(engine)["t0"], start)
    engine.step(make_batch(3))
    copied = parameters(engine)
    assert torch.equal(copied["t0"], copied["s0"])
    engine.step(make_batch(4))
    now = parameters(engine)
    torch.testing.assert_close(now["t0"], (copied["t0"] + now["s0"]) / 2)


def test_a_stage_on_labels_is_supervised_training() -> None:
    engine, plain = make_engine("self_training", **ROUNDS), make_engine("supervised", iterations=3)
    for t in range(3):
        engine.step(make_batch(t))
        plain.step(make_batch(t))
    assert torch.equal(parameters(engine)["s0"], parameters(plain)["s0"])
    assert "s0<-t0/ct" not in engine.meter.read()
    engine.step(make_batch(3))
    assert "s0<-t0/ct" in engine.meter.read()


def test_views_that_only_a_later_stage_needs_are_not_made_before() -> None:
    """A labelled batch alone is enough for a stage on labels."""
    engine, both = make_engine("self_training", **ROUNDS), make_engine("self_training", **ROUNDS)
    engine.step(make_batch(0, unlabelled=False))
    both.step(make_batch(0))
    assert same_state(engine, both)


@pytest.mark.parametrize("at", [3, 4, 6])
def test_rule_20_resume_at_a_boundary_is_bitwise(at: int, tmp_path: Path) -> None:
    """Saved before a stage's first step, or after it: the copies and the fresh start are made once."""
    whole, parts = make_engine("self_training", **ROUNDS), make_engine("self_training", **ROUNDS)
    for t in range(9):
        whole.step(make_batch(t))
    for t in range(at):
        parts.step(make_batch(t))
    parts.save(tmp_path / "a", {})
    parts = make_engine("self_training", **ROUNDS)
    parts.load(tmp_path / "a")
    torch.manual_seed(99)
    for t in range(at, 9):
        parts.step(make_batch(t))
    assert same_state(whole, parts)


def test_snapshots_are_of_every_stage_from_theirs_on() -> None:
    """`since` 2: the second stage leaves it alone, the third and fourth copy."""
    follow = Follow(follower="t0", leader="s0", when="stage", since=2)
    stages = tuple(Stage(share=0.25) for _ in range(4))
    engine = make_engine("mean_teacher", lambda plan: replace(plan, follows=(follow,), stages=stages), iterations=8)
    taught, learnt = [], []
    for t in range(8):
        learnt.append(parameters(engine)["s0"])
        engine.step(make_batch(t))
        taught.append(parameters(engine)["t0"])
    for t, source in ((0, 0), (2, 0), (3, 0), (4, 4), (5, 4), (6, 6), (7, 6)):
        assert torch.equal(taught[t], learnt[source]), t
