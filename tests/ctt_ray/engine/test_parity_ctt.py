"""The engine equals CTT written out by hand: same float32 operations, so torch.equal after several steps.

The loop below knows nothing of plans, routes or terms. It is the paper's step, with the leaf functions of
ctt_ray.maths, each of which has its own reference test.
"""

import copy
from itertools import pairwise
from typing import Any

import pytest
import torch
from tiny_runs import make_batch, make_engine, nearly_fill

from ctt_ray import nets
from ctt_ray.batch import Batch
from ctt_ray.engine import Engine
from ctt_ray.maths import bank, colour, contrast, draws, labels, losses, mix

STEPS = 6
PHI = 0.46  # between the confidences of these young networks: both contrastive losses find pixels


class PlainCTT:
    """n pairs, all four losses, banks with the full gate; every choice spelled out."""

    def __init__(self, config: Any, n: int) -> None:
        self.c, self.n = config, n
        net = config.net
        self.students = [
            nets.build(
                arch=net.arch,
                backbone=net.backbone,
                classes=3,
                feature_dim=net.feature_dim,
                output_stride=net.output_stride,
                width=net.width,
                dropout=net.dropout,
                seed=config.seed * 1009 + i,
            ).to(memory_format=torch.channels_last)
            for i in range(n)
        ]
        self.teachers = [copy.deepcopy(s) for s in self.students]
        o = config.optim
        self.sgd = []
        for s in self.students:
            head = [p for name, p in s.named_parameters() if not name.startswith("backbone.")]
            groups = [{"params": list(s.backbone.parameters()), "lr": o.lr}, {"params": head, "lr": 10 * o.lr}]
            self.sgd.append(torch.optim.SGD(groups, momentum=o.momentum, weight_decay=o.weight_decay))
        self.banks = [bank.ClassBank(3, config.params.n_q, net.feature_dim) for _ in range(n)]
        self.gate_open = False
        self.opened_at = -1

    def step(self, batch: Batch, t: int) -> None:
        c, p, n = self.c, self.c.params, self.n
        key = c.seed * 1_000_003 + t
        for sgd in self.sgd:
            for group, base in zip(sgd.param_groups, (c.optim.lr, 10 * c.optim.lr), strict=True):
                group["lr"] = base * (1 - t / c.optim.iterations) ** 0.9
        x_l = colour.normalise(batch.labelled.image_B3HW.float() / 255)
        x_u = colour.normalise(batch.unlabelled.image_B3HW.float() / 255)
        y_l, pad = batch.labelled.label_BHW, batch.unlabelled.label_BHW == 254
        # Teachers label the weak view.
        pseudo, conf = [], []
        for teacher in self.teachers:
            teacher.eval()
            with torch.no_grad():
                label, certainty = labels.hard_target(teacher(x_u).logits_BKhw, y_l.shape[-2:])
            pseudo.append(torch.where(pad, torch.full_like(label, 254), label))
            conf.append(certainty)
        # One ClassMix layout for everybody, by one drawn teacher.
        drawn = int(torch.randint(n, (), generator=draws.generator(key, "mix")))
        mask = mix.classmix_mask(pseudo[drawn], batch.unlabelled.key_B)
        pseudo = [mix.mix(label, mask) for label in pseudo]
        strong = colour.strong(
            batch.unlabelled.image_B3HW.float() / 255,
            batch.unlabelled.key_B,
            strength=0.25,
            jitter_p=0.8,
            grey_p=0.0,
            blur_p=0.5,
        )
        strong = mix.mix(colour.normalise(strong), mask)
        # Students.
        out_l, out_u = [], []
        for i, student in enumerate(self.students):
            student.train()
            torch.manual_seed(draws.generator(key, f"dropout s{i} labelled 0").initial_seed())
            out_l.append(student(x_l))
            torch.manual_seed(draws.generator(key, f"dropout s{i} unlabelled 0").initial_seed())
            out_u.append(student(strong))
        small = tuple(out_l[0].logits_BKhw.shape[-2:])
        y_small = labels.nearest(y_l, small)
        own_l = [labels.confidence(out.logits_BKhw) for out in out_l]
        own_u = [labels.confidence(out.logits_BKhw) for out in out_u]
        own_u = [(label, certainty.half().float()) for label, certainty in own_u]  # as they travel
        unit = [contrast.normalise(contrast.rows(out.feat_BDhw)) for out in out_u]
        totals = []
        for i in range(n):
            others = [j for j in range(n) if j != i]
            total = losses.ratio(*losses.cross_entropy(labels.upsample(out_l[i].logits_BKhw, y_l.shape[-2:]), y_l))
            for j in others:
                ce = losses.ratio(
                    *losses.cross_entropy(labels.upsample(out_u[i].logits_BKhw, y_l.shape[-2:]), pseudo[j])
                )
                total = total + 1.0 / (n - 1) * ce  # lambda_sup and lambda_ct are 1
            if self.gate_open:
                total = total + p.lambda_hc * self.high(i, others, out_l, out_u, own_l, own_u, y_small, pseudo)
                total = total + p.lambda_lc * self.low(i, others, unit, own_u, pseudo, small)
            totals.append(total)
        for total, sgd in zip(totals, self.sgd, strict=True):
            total.backward()
            sgd.step()
            sgd.zero_grad()
        alpha = min(1 - 1 / (t + 1), p.ema_decay)
        for teacher, student in zip(self.teachers, self.students, strict=True):
            for (name, old), new in zip(teacher.state_dict().items(), student.state_dict().values(), strict=True):
                del name
                if not old.is_floating_point() or alpha == 0:
                    old.copy_(new)
                else:
                    old.lerp_(new, 1 - alpha)
        for teacher, queue in zip(self.teachers, self.banks, strict=True):
            with torch.no_grad():
                out = teacher(x_l)
            pred, certainty = labels.confidence(out.logits_BKhw)
            score = bank.admission_score(
                y_small.flatten(), pred.flatten(), certainty.flatten(), min_conf=0.0, select="confidence"
            )
            queue.push(
                *bank.select(contrast.normalise(contrast.rows(out.feat_BDhw)), y_small.flatten(), score, p.bank_add, 3)
            )
        if not self.gate_open and all(int(queue.fill_K.min()) == p.n_q for queue in self.banks):
            self.gate_open, self.opened_at = True, t + 1

    def weights(self, label: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        return contrast.row_weights(label, chosen, contrast.class_counts(label, chosen, 3), reduction="class")

    def high(
        self, i: int, others: list[int], out_l: Any, out_u: Any, own_l: Any, own_u: Any, y_small: Any, pseudo: Any
    ) -> torch.Tensor:
        p, small = self.c.params, tuple(y_small.shape[-2:])
        feat = contrast.normalise(contrast.rows(torch.cat([out_l[i].feat_BDhw, out_u[i].feat_BDhw])))
        sure = torch.cat([own_l[i][1], own_u[i][1]]).flatten() > p.phi
        parts = []
        for j in others:
            label = torch.cat([y_small, labels.nearest(pseudo[j], small)]).flatten()
            chosen = sure & (label < 254)
            weight = self.weights(label, chosen)
            parts.append(
                contrast.contrast_high(
                    feat[chosen], label[chosen], weight[chosen], self.banks[i].rows_KND, tau=p.tau_hc
                )
            )
        return torch.stack(parts).mean()

    def low(self, i: int, others: list[int], unit: Any, own_u: Any, pseudo: Any, small: Any) -> torch.Tensor:
        p = self.c.params
        parts = []
        for j in others:
            label, q_j, q_i = own_u[j][0].flatten(), own_u[j][1].flatten(), own_u[i][1].flatten()
            inside = labels.nearest(pseudo[j], small).flatten() < 254
            chosen = ~(q_i > p.phi) & (q_i < q_j) & inside
            weight = self.weights(label, chosen)
            peers = unit[j].detach()
            parts.append(
                contrast.contrast_low(
                    unit[i][chosen],
                    peers[chosen],
                    label[chosen],
                    weight[chosen],
                    self.banks[i].rows_KND,
                    self.banks[j].rows_KND,
                    tau=p.tau_lc,
                )
            )
        return torch.stack(parts).mean()


def assert_same(engine: Engine, plain: PlainCTT) -> None:
    for i, (student, teacher, queue) in enumerate(zip(plain.students, plain.teachers, plain.banks, strict=True)):
        for ours, theirs in (
            (engine.students[f"s{i}"], student),
            (engine.teachers[f"t{i}"], teacher),
            (engine.banks.by_teacher[f"t{i}"], queue),
        ):
            for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
                assert torch.equal(a, b), f"pair {i}: {name} differs by {(a - b).abs().max()}"


@torch.no_grad()
def lean_to_class_0(nets_: list[Any]) -> None:
    """So that every teacher is right about some pixel of class 0 at once, whatever the initial weights: the gate opens."""
    for net in nets_:
        net.head.classifier.bias[0] += 0.2


@pytest.mark.parametrize(("n", "seed"), [(2, 3), (3, 7)])
def test_engine_equals_plain_loop(n: int, seed: int) -> None:
    """Students, EMA teachers with their buffers, and banks are bitwise the plain loop's after 6 steps.

    The gate opens on the way."""
    engine = make_engine(pairs=n, mixer="classmix", seed=seed, phi=PHI)
    plain = PlainCTT(engine.config, n)
    lean_to_class_0([*engine.networks.values(), *plain.students, *plain.teachers])
    nearly_fill([*engine.banks.by_teacher.values()])
    nearly_fill(plain.banks)
    assert_same(engine, plain)
    for t in range(STEPS):
        engine.step(make_batch(t))
        plain.step(make_batch(t), t)
        assert_same(engine, plain)
        assert engine.banks.opened_at == plain.opened_at
    assert 0 < engine.banks.opened_at < STEPS - 1, (
        "the gate must open inside the test, or HC and LC were never compared"
    )
    seen = engine.meter.read()
    for i in range(n):
        assert seen[f"s{i}/contrast_high"] > 0
    assert sum(seen[f"s{i}/contrast_low"] for i in range(n)) > 0


def test_steps_differ_from_each_other() -> None:
    """The comparison above would be empty if nothing moved."""
    engine = make_engine()
    history = []
    for t in range(3):
        engine.step(make_batch(t))
        history.append(torch.cat([p.detach().flatten().clone() for p in engine.students["s0"].parameters()]))
    assert all(not torch.equal(a, b) for a, b in pairwise(history))
