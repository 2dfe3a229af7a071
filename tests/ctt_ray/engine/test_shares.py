"""Thresholds of a share of each class equal sorting every confidence seen since the round began (docs/equations.md#routes)."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_runs import make_batch, make_engine, same_state
from torch import Tensor
from two_workers import Half, both

from ctt_ray import methods
from ctt_ray.engine.routes import gate
from ctt_ray.engine.shares import BINS, Shares
from ctt_ray.engine.views import Target
from ctt_ray.engine.world import Group
from ctt_ray.plan import Plan, Route

ALONE = Group([0], 0)
CLASSES = 4
UNSEEN = 3


def shares() -> Shares:
    return Shares(methods.build("dst_cbc", {}), CLASSES)


def said(seed: int, count: int = 3) -> Target:
    """Labels of the classes but one, with padding and void; confidences as they travel."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(0, UNSEEN, (count, 9, 7), generator=generator).to(torch.uint8)
    conf = (torch.rand(label.shape, generator=generator) * 0.7 + 0.3 * (label == 1)).half().float()
    label[:, 0], label[0, 1] = 254, 255
    return Target(label, conf)


def sorted_by_class(targets: list[Target]) -> list[list[float]]:
    """Each class's confidences, the surest first."""
    return [
        sorted((float(c) for t in targets for c in t.conf_BHW[t.label_BHW == k].flatten()), reverse=True)
        for k in range(CLASSES)
    ]


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.77, 1.0])
def test_thresholds_equal_sorting_all_confidences(keep: float) -> None:
    """In bins of a thousandth, each class's threshold is that of its last pixel that is kept."""
    table, targets = shares(), [said(seed) for seed in range(4)]
    for target in targets:
        table.see("t0", target, ALONE)
    found = table.threshold_K("t0", keep)
    for k, confidences in enumerate(sorted_by_class(targets)):
        if k == UNSEEN:
            continue
        last = confidences[math.ceil(keep * len(confidences)) - 1]
        assert float(found[k]) == pytest.approx(math.floor(last * BINS) / BINS), k
        kept = sum(c >= float(found[k]) for c in confidences)
        same_bin = sum(math.floor(c * BINS) == math.floor(last * BINS) for c in confidences)
        assert math.ceil(keep * len(confidences)) <= kept < math.ceil(keep * len(confidences)) + same_bin


def test_classes_have_thresholds_of_their_own() -> None:
    """The surer class has the higher one: that is what a share of each class is for."""
    table = shares()
    table.see("t0", said(0, count=30), ALONE)
    low, high, low_too, _ = table.threshold_K("t0", 0.5).tolist()
    assert low == pytest.approx(0.35, abs=0.05) == low_too and high == pytest.approx(0.65, abs=0.05)


def test_keep_1_keeps_every_valid_pixel() -> None:
    table, target = shares(), said(1)
    target.conf_BHW[1, 3, 3], target.conf_BHW[2, 3, 3] = 1.0, 0.0
    table.see("t0", target, ALONE)
    weight, count = kept(target, table.threshold_K("t0", 1.0))
    assert torch.equal(weight, (target.label_BHW < 254).float())
    assert float(count) == float((target.label_BHW < 254).sum())


def kept(target: Target, threshold_K: Tensor) -> tuple[Tensor, Tensor]:
    return gate(Route(learner="s0", source="t0", gate="class_share"), target, ALONE, threshold_K)


def test_keep_1_keeps_every_pixel_of_a_long_run() -> None:
    """2^25 pixels and one: a float32 count would round the last one away, and with it its bin."""
    table = shares()
    counts = table.get_buffer("t0")
    counts[0, 900], counts[0, 100] = 2**25, 1
    assert float(table.threshold_K("t0", 1.0)[0]) == pytest.approx(0.1)


def test_a_class_that_nobody_predicted_has_no_threshold() -> None:
    table = shares()
    assert table.threshold_K("t0", 0.2).tolist() == [0.0] * CLASSES
    table.see("t0", said(0), ALONE)
    assert float(table.threshold_K("t0", 0.2)[UNSEEN]) == 0.0
    assert (table.threshold_K("t0", 0.2)[:UNSEEN] > 0).all()


def test_void_and_padding_are_not_counted() -> None:
    table, target = shares(), said(0)
    table.see("t0", target, ALONE)
    assert int(table.get_buffer("t0").sum()) == int((target.label_BHW < 254).sum())


def test_forgetting_starts_anew() -> None:
    table, fresh = shares(), shares()
    table.see("t0", said(0), ALONE)
    table.forget()
    for one in (table, fresh):
        one.see("t0", said(1), ALONE)
    assert torch.equal(table.get_buffer("t0"), fresh.get_buffer("t0"))


def test_only_sources_of_such_routes_are_counted_each_by_itself() -> None:
    table = Shares(methods.build("dmt", {}), CLASSES)
    assert table.sources == ("t1", "t0")
    table.see("t1", said(0), ALONE)
    assert int(table.get_buffer("t1").sum()) > 0 == int(table.get_buffer("t0").sum())
    assert Shares(methods.build("ctt", {}), CLASSES).sources == ()


def test_two_workers_count_what_both_have_seen() -> None:
    whole = said(5, count=4)
    alone = shares()
    alone.see("t0", whole, ALONE)

    def work(half: Half) -> Tensor:
        mine, pick = shares(), slice(half.index, None, 2)
        mine.see("t0", Target(whole.label_BHW[pick], whole.conf_BHW[pick]), half)
        return mine.get_buffer("t0")

    assert all(torch.equal(counts, alone.get_buffer("t0")) for counts in both(work))


ROUNDS = {"iterations": 9, "warmup": 1 / 3, "rounds": 2, "keep_share": 0.5}  # stages begin at 0, 3 and 6


def test_a_run_counts_from_its_round_on_and_not_while_on_labels() -> None:
    engine = make_engine("dst_cbc", **ROUNDS)
    assert engine.timeline.starts == [0, 3, 6]
    seen = []
    for t in range(9):
        engine.step(make_batch(t))
        seen.append(int(engine.shares.get_buffer("t0").sum()))
    pixels = 2 * (32 - 3) * 32  # of a batch, without the padding
    assert seen == [0, 0, 0, pixels, 2 * pixels, 3 * pixels, pixels, 2 * pixels, 3 * pixels]


def test_the_last_round_keeps_all_and_the_one_before_half() -> None:
    """With all of each class kept the step is that of a route without a gate; with half it is another."""

    def ungated(plan: Plan) -> Plan:
        return replace(plan, routes=tuple(replace(route, gate="none") for route in plan.routes))

    for start, same in ((3, False), (6, True)):
        losses = []
        for engine in (
            make_engine("dst_cbc", gamma=0.0, **ROUNDS),
            make_engine("dst_cbc", ungated, gamma=0.0, **ROUNDS),
        ):
            for t in range(3):
                engine.step(make_batch(t))  # on labels: confidences differ from pixel to pixel afterwards
            engine.iteration = start
            engine.step(make_batch(3))
            losses.append(engine.meter.read()["s0<-t0/ct"])
        assert (losses[0] == pytest.approx(losses[1], rel=1e-6)) == same, losses


def test_counts_are_in_the_checkpoint(tmp_path: Path) -> None:
    engine, again = make_engine("dmt", **ROUNDS), make_engine("dmt", **ROUNDS)
    for t in range(5):
        engine.step(make_batch(t))
    engine.save(tmp_path / "a", {})
    again.load(tmp_path / "a")
    for source in ("t0", "t1"):
        assert torch.equal(again.shares.get_buffer(source), engine.shares.get_buffer(source))
        assert int(again.shares.get_buffer(source).sum()) > 0
    for t in range(5, 8):
        engine.step(make_batch(t))
        again.step(make_batch(t))
    assert same_state(engine, again)
