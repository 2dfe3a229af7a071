"""Each diagnostic against counting pixel by pixel, and what a report makes of them."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations, permutations

import pytest
import torch
from tiny_runs import CLASSES, make_batch, make_engine, parameters
from torch import Tensor, nn

from ctt_ray.engine.diagnostics import BINS, Meter, follow_counts, label_counts, pair_counts, pseudo_label_counts
from ctt_ray.engine.reported import fill, measured, named, weight_distances
from ctt_ray.engine.views import Target
from ctt_ray.engine.world import World
from ctt_ray.maths import labels
from ctt_ray.nets import NetOut
from ctt_ray.plan import Follow

NAMES = ("road", "traffic light", "a/b")
K = len(NAMES)
THRESHOLD = 0.7
Pixel = tuple[int, int, float]  # truth, what the teacher says, how sure it is


def drawn(seed: int, teachers: int = 2) -> tuple[dict[str, Target], Tensor]:
    """Teachers that are right now and then, void truth, padding; class 2 is never said by t0."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, K, (2, 9, 7), generator=generator).to(torch.uint8)
    truth[:, 0], truth[:, 1, :3] = labels.VOID, labels.PADDING
    targets = {}
    for index in range(teachers):
        said = torch.randint(0, K - (index == 0), truth.shape, generator=generator).to(torch.uint8)
        said = torch.where(truth == labels.PADDING, truth, said)
        conf = torch.rand(truth.shape, generator=generator).half().float()
        conf[0, 5, :3] = torch.tensor([1.0, 0.5, THRESHOLD])
        targets[f"t{index}"] = Target(said, conf)
    return targets, truth


def pixels(target: Target, truth: Tensor) -> list[Pixel]:
    columns = (truth.flatten().tolist(), target.label_BHW.flatten().tolist(), target.conf_BHW.flatten().tolist())
    return [pixel for pixel in zip(*columns, strict=True) if pixel[1] != labels.PADDING]


def read(*parts: dict[str, tuple[Tensor, Tensor]]) -> dict[str, float]:
    meter = Meter(World.alone())
    for part in parts:
        meter.add_counts(part)
    return meter.read()


@pytest.mark.parametrize("teachers", [1, 2, 3])
def test_pseudo_labels_are_counted_as_pixel_by_pixel(teachers: int) -> None:
    """Over two steps, all teachers together."""
    steps = [drawn(seed, teachers) for seed in (0, 1)]
    found = read(*(pseudo_label_counts(targets, truth, THRESHOLD, K) for targets, truth in steps))
    every = [pixel for targets, truth in steps for target in targets.values() for pixel in pixels(target, truth)]
    known = [pixel for pixel in every if pixel[0] < 254]
    sure = [pixel for pixel in known if pixel[2] >= torch.tensor(THRESHOLD)]
    assert found["pseudo/coverage"] == pytest.approx(sum(c >= torch.tensor(THRESHOLD) for *_, c in every) / len(every))
    assert found["pseudo/accuracy"] == pytest.approx(sum(t == s for t, s, _ in known) / len(known))
    assert found["pseudo/accuracy_sure"] == pytest.approx(sum(t == s for t, s, _ in sure) / len(sure))
    for k in range(K):
        said = [truth for truth, said, _ in known if said == k]
        expected = sum(truth == k for truth in said) / len(said) if said else None
        assert found.get(f"pseudo/precision/{k}") == (expected and pytest.approx(expected))
    tenths = Counter(min(int(torch.tensor(conf) * 10), 9) for *_, conf in every)
    assert [found[f"pseudo/confidence/{i}"] for i in range(BINS)] == pytest.approx(
        [tenths[i] / len(every) for i in range(BINS)]
    )
    for name in steps[0][0]:
        own = Counter(said for targets, truth in steps for _, said, _ in pixels(targets[name], truth))
        assert [found[f"pseudo/predicted/{name}/{k}"] for k in range(K)] == pytest.approx(
            [own[k] / own.total() for k in range(K)]
        )
    assert ("pairs/agree" in found) == (teachers > 1)


@pytest.mark.parametrize("teachers", [2, 3])
def test_every_pair_of_teachers_counts(teachers: int) -> None:
    targets, truth = drawn(3, teachers)
    rows = [pixels(target, truth) for target in targets.values()]
    same = [one[1] == other[1] for a, b in combinations(rows, 2) for one, other in zip(a, b, strict=True)]
    wrong = [
        other[1] != other[0]
        for a, b in permutations(rows, 2)
        for one, other in zip(a, b, strict=True)
        if one[0] < 254 and one[1] != one[0]
    ]
    found = read(pair_counts(targets, truth))
    assert found == {
        "pairs/agree": pytest.approx(sum(same) / len(same)),
        "pairs/common_error": pytest.approx(sum(wrong) / len(wrong)),
    }


def test_where_no_truth_is_known_nothing_is_said_of_it() -> None:
    targets, truth = drawn(0)
    hidden = torch.where(truth < 254, labels.VOID, truth)
    found, told = (read(pseudo_label_counts(targets, t, THRESHOLD, K)) for t in (hidden, truth))
    gone = {key for key in told if "accuracy" in key or "precision" in key or "error" in key}
    assert len(gone) == 3 + K and found == {key: value for key, value in told.items() if key not in gone}
    assert pseudo_label_counts({}, truth, THRESHOLD, K) == {}


def test_a_teacher_that_has_diverged_is_counted_all_the_same() -> None:
    """Its confidence is no number; the run's own check of its losses says so, not an index out of bounds."""
    target = Target(torch.zeros(1, 2, 2, dtype=torch.uint8), torch.full((1, 2, 2), math.nan))
    found = read(pseudo_label_counts({"t0": target}, torch.zeros(1, 2, 2, dtype=torch.uint8), THRESHOLD, K))
    assert found["pseudo/coverage"] == 0 and found["pseudo/confidence/0"] == 1


def test_a_student_is_compared_with_what_follows_it_at_its_own_size() -> None:
    target = torch.full((1, 4, 4), labels.PADDING, dtype=torch.uint8)
    target[0, 1, 1], target[0, 1, 3], target[0, 3, 1] = 2, 0, 1  # the centres of four cells; the fourth is padding
    logits = torch.zeros(1, K, 2, 2)
    logits[0, 2, 0, 0], logits[0, 1, 0, 1], logits[0, 1, 1, 0], logits[0, 0, 1, 1] = 9.0, 9.0, 9.0, 9.0
    out = NetOut(*(logits for _ in NetOut._fields))
    seen = Target(target, torch.ones(1, 4, 4))
    follows = [Follow(follower=f"t{i}", leader=f"s{i}", decay=0.9) for i in range(3)]
    found = read(follow_counts({"s0": out, "s1": out}, {"t0": seen, "t2": seen}, follows))
    assert found == {"follow/disagree/s0-t0": pytest.approx(1 / 3)}


def test_shares_of_labelled_classes() -> None:
    label = torch.tensor([[[0, 0, 0, 2, labels.VOID, labels.PADDING]]], dtype=torch.uint8)
    assert read(label_counts(label, K)) == {
        "labels/share/0": 0.75, "labels/share/1": 0.0, "labels/share/2": 0.25,
    }  # fmt: skip


def test_a_report_has_classes_and_bins_by_name() -> None:
    values = {f"pseudo/predicted/t0/{k}": v for k, v in enumerate((0.9, 0.1, 0.0))}
    values |= {f"pseudo/predicted/t1/{k}": v for k, v in enumerate((0.3, 0.7, 0.0))}
    values |= {"labels/share/0": 0.5, "labels/share/1": 0.0, "labels/share/2": 0.5}
    values |= {"pseudo/precision/1": 0.25, "pseudo/confidence/3": 0.75, "s0/sup": 1.5}
    assert named(values, NAMES) == {
        "pseudo/predicted/road": pytest.approx(0.6),
        "pseudo/predicted/traffic light": pytest.approx(0.4),
        "pseudo/predicted/a/b": 0.0,
        "pseudo/top_share/t0": 0.9,
        "pseudo/top_share/t1": 0.7,
        "pseudo/never": 0.5,  # road is said, a/b is not, and no labelled image has a traffic light
        "labels/share/road": 0.5,
        "labels/share/traffic light": 0.0,
        "labels/share/a/b": 0.5,
        "labels/top_share": 0.5,
        "pseudo/precision/traffic light": 0.25,
        "pseudo/confidence/0.3": 0.75,
        "s0/sup": 1.5,
    }
    assert named({"s0/sup": 1.0}, NAMES) == {"s0/sup": 1.0} and named({}, NAMES) == {}


def test_the_distance_of_two_networks() -> None:
    """By hand: lengths 3 and 12, at right angles; a bias of one alone counts too."""
    nets = {name: nn.Linear(2, 1) for name in ("s0", "s1", "s2", "t1")}
    for name, (x, y, bias) in {"s0": (3, 0, 0), "s1": (0, 12, 0), "s2": (3, 0, 4), "t1": (0, 12, 0)}.items():
        nets[name].load_state_dict({"weight": torch.tensor([[x, y]]).float(), "bias": torch.tensor([bias]).float()})
    students = {name: nets[name] for name in ("s0", "s1", "s2")}
    follows = [Follow(follower="t1", leader="s1", decay=0.9)]
    found = read(weight_distances(list(students), students, {"t1": nets["t1"]}, follows, World.alone()))
    assert found == {
        "pairs/distance/s0-s1": pytest.approx(math.sqrt(9 + 144) / 6),
        "pairs/distance/s0-s2": pytest.approx(4 / math.sqrt(15)),
        "pairs/distance/s1-s2": pytest.approx(math.sqrt(144 + 9 + 16) / math.sqrt(60)),
        "follow/distance/s1-t1": 0.0,
    }


def test_networks_that_have_diverged_have_no_distance() -> None:
    nets = {name: nn.Linear(2, 1) for name in ("s0", "s1", "s2")}
    nn.init.constant_(nets["s1"].weight, math.inf)
    assert set(read(weight_distances(list(nets), nets, {}, [], World.alone()))) == {"pairs/distance/s0-s2"}


def test_a_run_reports_them_all() -> None:
    engine = make_engine("ctt", ema_decay=0.5)
    for t in range(3):
        engine.step(make_batch(t))
    vectors = parameters(engine)
    found = measured(engine, NAMES)
    for key, (a, b) in {"pairs/distance/s0-s1": ("s0", "s1"), "follow/distance/s1-t1": ("s1", "t1")}.items():
        expected = (vectors[a] - vectors[b]).norm() / (vectors[a].norm() * vectors[b].norm()).sqrt()
        assert found[key] == pytest.approx(float(expected), rel=1e-4) and found[key] > 0
    assert sum(found[f"pseudo/predicted/{name}"] for name in NAMES) == pytest.approx(1.0)
    assert sum(found[f"labels/share/{name}"] for name in NAMES) == pytest.approx(1.0)
    assert 0 < found["follow/disagree/s0-t0"] <= 1 and 0 <= found["pairs/agree"] < 1
    assert measured(engine, NAMES).keys() == {key for key in found if "/distance/" in key}, "the meter starts anew"
    rows = fill(engine.banks, NAMES)
    assert [rows[f"bank/fill/t1/{name}"] for name in NAMES] == engine.banks.fill()["t1"]
    assert rows["bank/min_fill"] == min(engine.banks.fill()["t0"] + engine.banks.fill()["t1"])
    assert CLASSES == K


def test_a_supervised_run_reports_its_labels_alone() -> None:
    engine = make_engine("supervised")
    engine.step(make_batch(0, unlabelled=False))
    assert {key.partition("/")[0] for key in measured(engine, NAMES)} == {"s0", "labels"}
    assert fill(engine.banks, NAMES) == {}
