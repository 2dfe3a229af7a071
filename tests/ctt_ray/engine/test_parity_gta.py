"""The engine equals GTA-Seg written out by hand, over the end of its stage on labels.

The loop below knows nothing of plans, stages, turns or follows: three networks, two optimisers, and the order of their steps.
Its equations are written out, so the two differ in the order of sums; both compute in float64.
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import make_batch, make_engine, parameters, same_state
from torch import Tensor, nn

from ctt_ray import nets
from ctt_ray.batch import Batch
from ctt_ray.engine import Engine
from ctt_ray.maths import colour, draws, labels, mix
from ctt_ray.plan import Plan

FIRST = 2  # steps on labels alone
STEPS = 7
KEEP = 0.8
VALUES: dict[str, Any] = {"warmup": FIRST / 40, "ema_decay": 0.6, "seed": 2}
FLOAT64 = 1e-9
PREDICTORS = {"deeplabv3plus": ("head.decoder.", "head.classifier."), "deeplabv2": ("head.classifier.",)}


@pytest.fixture
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


class PlainGTA:
    """s the student, a the gentle teaching assistant, t the teacher."""

    def __init__(self, config: Any) -> None:
        self.c, net = config, config.net
        self.predictor = PREDICTORS[net.arch]
        self.s = nets.build(
            arch=net.arch,
            backbone=net.backbone,
            classes=3,
            feature_dim=net.feature_dim,
            output_stride=net.output_stride,
            width=net.width,
            dropout=net.dropout,
            seed=config.seed * 1009,
        ).to(memory_format=torch.channels_last)
        self.sgd = {"s": self.optimiser(self.s)}
        self.a = self.t = self.s  # until stage 0 is over

    def optimiser(self, net: nets.SegNet) -> torch.optim.SGD:
        o = self.c.optim
        head = [p for name, p in net.named_parameters() if not name.startswith("backbone.")]
        groups = [{"params": list(net.backbone.parameters()), "base": o.lr}, {"params": head, "base": 10 * o.lr}]
        return torch.optim.SGD(groups, lr=o.lr, momentum=o.momentum, weight_decay=o.weight_decay)

    def step(self, batch: Batch, i: int) -> None:
        x_l = colour.normalise(batch.labelled.image_B3HW / 255)
        if i == FIRST:
            self.a, self.t = copy.deepcopy(self.s), copy.deepcopy(self.s)
            self.sgd["a"] = self.optimiser(self.a)
        for sgd in self.sgd.values():
            for group in sgd.param_groups:
                group["lr"] = group["base"] * (1 - i / self.c.optim.iterations) ** 0.9
        if i < FIRST:
            self.dropout("s labelled", i)
            self.update("s", mean_cross_entropy(self.s(x_l).logits_BKhw, batch.labelled.label_BHW))
            return
        x_u, label, sure = self.pseudo_labels(batch)
        both = torch.cat([x_l, x_u])
        self.dropout("a unlabelled", i)
        self.update("a", assistant_loss(self.a(both).logits_BKhw[len(x_l) :], label, sure))
        self.move(self.s, self.a, i - FIRST, skip=self.predictor)
        self.dropout("s unlabelled", i)
        self.update("s", mean_cross_entropy(self.s(both).logits_BKhw[: len(x_l)], batch.labelled.label_BHW))
        self.move(self.t, self.s, i - FIRST)

    def pseudo_labels(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The teacher's labels of the weak view, CutMixed, and how sure it is of the mixed images."""
        self.t.eval()
        images, keys = batch.unlabelled.image_B3HW, batch.unlabelled.key_B
        x_u, padding = colour.normalise(images / 255), batch.unlabelled.label_BHW == 254
        with torch.no_grad():
            label, _ = labels.hard_target(self.t(x_u).logits_BKhw, (32, 32))
            label[padding] = 254
            boxes = mix.cutmix_mask(keys, (32, 32))
            for b, key in enumerate(keys.tolist()):
                if draws.uniforms(key, "mix_p", 1)[0] >= 0.5:
                    boxes[b] = False
            x_m, label_m = pasted(x_u, boxes), pasted(label, boxes)
            _, sure = labels.hard_target(self.t(x_m).logits_BKhw, (32, 32))
        return x_m, label_m, sure.half().double()

    def dropout(self, use: str, i: int) -> None:
        torch.manual_seed(draws.generator(self.c.seed * 1_000_003 + i, f"dropout {use} 0").initial_seed())

    def update(self, name: str, loss: Tensor) -> None:
        loss.backward()
        self.sgd[name].step()
        self.sgd[name].zero_grad()

    def move(self, follower: nn.Module, leader: nn.Module, k: int, skip: tuple[str, ...] = ()) -> None:
        decay = min(1 - 1 / (k + 1), self.c.params.ema_decay)
        for (name, mine), theirs in zip(follower.state_dict().items(), leader.state_dict().values(), strict=True):
            if not name.startswith(skip or ("nothing",)):
                mine.copy_(decay * mine + (1 - decay) * theirs if mine.is_floating_point() else theirs)


def pasted(maps: Tensor, boxes: Tensor) -> Tensor:
    """Each image's box on the next image of the batch."""
    return torch.stack([torch.where(box, maps[b], maps[(b + 1) % len(maps)]) for b, box in enumerate(boxes)])


def mean_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    log_p = labels.upsample(logits, (32, 32)).log_softmax(1)
    parts = [-log_p[b, k][label[b] == k] for b in range(len(label)) for k in range(3)]
    return torch.cat(parts).sum() / (label < 254).sum()


def assistant_loss(logits: Tensor, label: Tensor, sure: Tensor) -> Tensor:
    """L_A of docs/equations.md#gta, over the pixels from the least sure on."""
    log_p_MK = labels.upsample(logits, (32, 32)).log_softmax(1).movedim(1, -1).flatten(0, -2)
    pixels = sorted((kappa, m) for m, kappa in enumerate(sure.flatten().tolist()) if label.flatten()[m] < 254)
    dropped = math.floor((1 - KEEP) * len(pixels))
    kept = [(kappa, m) for kappa, m in pixels if kappa >= pixels[dropped][0]]
    rows = torch.tensor([m for _, m in kept])
    losses = -log_p_MK[rows, label.flatten()[rows].long()]
    weights = torch.tensor([1 + kappa for kappa, _ in kept])
    return (weights * losses).sum() / (weights.sum() + len(pixels) - len(kept))


def worst_gap(engine: Engine, plain: PlainGTA) -> float:
    """Over all tensors of the three networks, relative to each one's largest value; integers have to be equal."""
    worst = 0.0
    for name, theirs in (("s", plain.s), ("a", plain.a), ("t", plain.t)):
        for (key, x), y in zip(engine.networks[name].state_dict().items(), theirs.state_dict().values(), strict=True):
            if x.is_floating_point():
                worst = max(worst, float((x - y).abs().max() / y.abs().max().clamp(min=1e-6)))
            else:
                assert torch.equal(x, y), f"{name}: {key}"
    return worst


def storages(net: nn.Module) -> set[int]:
    return {tensor.data_ptr() for tensor in net.state_dict().values() if tensor.numel()}


def started(**values: Any) -> Engine:
    """After the first step with all three networks: the assistant has momentum, and nobody equals another."""
    engine = make_engine("gta_seg", **{**VALUES, **values})
    for i in range(FIRST + 1):
        engine.step(make_batch(i))
    return engine


@pytest.mark.parametrize("arch", PREDICTORS)
def test_rule_23_engine_equals_plain_loop(float64: None, arch: str) -> None:
    engine = make_engine("gta_seg", arch=arch, **VALUES)
    plain = PlainGTA(engine.config)
    for i in range(STEPS):
        engine.step(make_batch(i))
        plain.step(make_batch(i), i)
        if i >= FIRST:
            assert worst_gap(engine, plain) <= FLOAT64, f"step {i}"
    assert sorted(parameters(engine)) == ["a", "s", "t"]
    momenta = [engine.optimisers[name].state_dict()["state"] for name in ("s", "a")]
    assert all(len(state) == len(list(plain.s.parameters())) for state in momenta)


def test_the_mixed_and_the_unmixed_occur() -> None:
    """The comparison above has images of both kinds, or `mix_p` was never compared."""
    keys = [key for i in range(FIRST, STEPS) for key in make_batch(i).unlabelled.key_B.tolist()]
    assert {draws.uniforms(key, "mix_p", 1)[0] < 0.5 for key in keys} == {True, False}


def test_rule_23_no_storage_is_ever_shared() -> None:
    engine = make_engine("gta_seg", **VALUES)
    for i in range(FIRST + 2):
        for one, other in combinations(engine.networks.values(), 2):
            assert storages(one).isdisjoint(storages(other)), f"before step {i}"
        engine.step(make_batch(i))


def test_rule_23_a_predictor_learns_from_its_own_labels_alone() -> None:
    """Without the labelled loss the student's predictor stands still and its extractor follows; the assistant's predictor is
    the same whatever the true labels are, and stands still without pseudo-labels."""

    def weighed(labelled: float, unlabelled: float) -> Any:
        def change(plan: Plan) -> Plan:
            routes = tuple(replace(route, weight=unlabelled) for route in plan.routes)
            return replace(plan, supervised_weight=labelled, routes=routes)

        return change

    def states(labelled: float, unlabelled: float) -> tuple[dict[str, Any], dict[str, Any]]:
        engine = make_engine("gta_seg", weighed(labelled, unlabelled), weight_decay=0.0, momentum=0.0, **VALUES)
        engine.iteration = FIRST
        engine.step(make_batch(0))  # now all are apart
        before = copy.deepcopy({name: net.state_dict() for name, net in engine.networks.items()})
        engine.step(make_batch(1))
        return before, {name: net.state_dict() for name, net in engine.networks.items()}

    def moved(before: dict[str, Tensor], after: dict[str, Tensor], names: list[str]) -> set[bool]:
        return {not torch.equal(before[name], after[name]) for name in names}

    parameters_ = [name for name, _ in make_engine("gta_seg", **VALUES).students["s"].named_parameters()]
    predictor = [name for name in parameters_ if name.startswith(PREDICTORS["deeplabv3plus"])]
    extractor = [name for name in parameters_ if name not in predictor]
    assert len(predictor) == 8 and len(extractor) > 100
    before, after = states(labelled=0.0, unlabelled=1.0)
    assert moved(before["s"], after["s"], predictor) == {False}
    assert moved(before["a"], after["a"], predictor) == {True}
    assert True in moved(before["s"], after["s"], extractor)
    before, after = states(labelled=1.0, unlabelled=0.0)
    assert moved(before["a"], after["a"], parameters_) == {False}
    assert moved(before["s"], after["s"], predictor) == {True}


def test_rule_23_true_labels_do_not_reach_the_assistant_within_a_step() -> None:
    one, other = started(), started()
    batch = make_batch(9)
    lied = batch.labelled.label_BHW.clone()
    lied[lied < 254] = 1
    one.step(batch)
    other.step(replace(batch, labelled=replace(batch.labelled, label_BHW=lied)))
    assert torch.equal(parameters(one)["a"], parameters(other)["a"])
    assert not torch.equal(parameters(one)["s"], parameters(other)["s"])


def test_rule_23_the_assistant_is_scheduled_and_saved(tmp_path: Path) -> None:
    engine = started()
    rates = {name: [group["lr"] for group in optimiser.param_groups] for name, optimiser in engine.optimisers.items()}
    assert rates["a"] == rates["s"] == pytest.approx([0.01 * (1 - FIRST / 40) ** 0.9, 0.1 * (1 - FIRST / 40) ** 0.9])
    engine.save(tmp_path / "a", {})
    assert {f"{name}.safetensors" for name in ("s", "a", "t", "s.optim", "a.optim")} <= {
        path.name for path in (tmp_path / "a").iterdir()
    }
    again = make_engine("gta_seg", **VALUES)
    again.load(tmp_path / "a")
    assert same_state(engine, again)
    for i in range(3):
        engine.step(make_batch(20 + i))
        again.step(make_batch(20 + i))
    assert same_state(engine, again)


def test_stage_0_trains_the_student_alone_as_supervised_training_does() -> None:
    engine = make_engine("gta_seg", dropout=0.0, **VALUES)  # its draws know the student's name
    plain = make_engine("supervised", dropout=0.0, seed=VALUES["seed"])
    start = parameters(engine)
    for i in range(FIRST):
        engine.step(make_batch(i))
        plain.step(make_batch(i))
    found = parameters(engine)
    assert torch.equal(found["s"], parameters(plain)["s0"])
    assert torch.equal(found["a"], start["a"]) and torch.equal(found["t"], start["t"])


def test_the_order_in_which_follows_are_written_does_not_matter() -> None:
    """The student must not become a copy of an assistant that is still fresh."""
    one = make_engine("gta_seg", **VALUES)
    other = make_engine("gta_seg", lambda plan: replace(plan, follows=plan.follows[::-1]), **VALUES)
    for i in range(FIRST + 2):
        one.step(make_batch(i))
        other.step(make_batch(i))
    assert same_state(one, other)


@pytest.mark.parametrize("policy", ["copy", "own"])
def test_other_policies_for_buffers_train_too(policy: str) -> None:
    """`own`: the student's and the teacher's statistics come from their own passes."""
    engine = started(ema_buffers=policy)
    batch = make_batch(7)
    assistant = {k: v.clone() for k, v in engine.students["a"].state_dict().items() if "running" in k}
    engine.step(batch)
    for name in ("s", "t"):
        now = engine.networks[name].state_dict()
        assert not any(torch.equal(now[key], value) for key, value in assistant.items())
    assert engine.teachers["t"].head.decoder[0][1].training == (policy == "own")  # type: ignore[union-attr, index]
