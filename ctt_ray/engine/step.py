"""One training step of any Plan: targets → forward → losses → backward → step → teachers → banks.

Students' losses separate, since every target and every peer feature is detached: one backward a student. All targets are
taken from the weights at the start of the step. Sums and denominators are global over the workers that share a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ctt_ray.batch import Batch, Samples
from ctt_ray.config import ConfigError, RunConfig
from ctt_ray.engine import networks, state
from ctt_ray.engine.accelerator import wrapped
from ctt_ray.engine.banks import Banks, Rows
from ctt_ray.engine.diagnostics import Meter, follow_counts, label_counts, pseudo_label_counts
from ctt_ray.engine.exchange import Exchange
from ctt_ray.engine.terms import TERMS, StepView, low_queries
from ctt_ray.engine.views import Target, mix_mask, mixed, seen, strong_view, teach, weak_view
from ctt_ray.engine.world import World
from ctt_ray.maths import contrast, draws, ema, labels, losses, mix, schedules
from ctt_ray.nets import NetOut
from ctt_ray.plan import Follow, Plan, Route


class Engine:
    """Students, teachers, optimisers and banks of one run, and the step that moves them.

    classes: K.  labelled_images: size of the labelled set, for the banks' renewal rate.  class_weight_K: of the supervised loss.
    world: the workers; networks and optimisers are those that this one holds, banks are everywhere.
    Raises ConfigError for networks that cannot be built.
    """

    def __init__(
        self,
        plan: Plan,
        config: RunConfig,
        accelerator: Accelerator,
        *,
        classes: int,
        labelled_images: int,
        class_weight_K: Tensor | None = None,
        world: World | None = None,
    ) -> None:
        self.plan, self.config, self.accelerator, self.classes = plan, config, accelerator, classes
        self.world = world or World.alone()
        self.exchange = Exchange(plan, self.world)
        if plan.joint_forward and config.net.bn_statistics == "labelled":
            raise ConfigError("bn_statistics labelled needs two forward passes: set joint_forward to false")
        if config.net.sync_bn and accelerator.device.type == "cpu":
            raise ConfigError(
                "sync_bn needs GPUs, and this worker has none: leave it out, or freeze_bn for small batches"
            )
        self.iteration = 0
        self.students = networks.build_students(
            plan, config.net, classes=classes, seed=config.seed, held=self.world.holds
        )
        self.teachers = networks.build_teachers(plan, self.students)
        device = accelerator.device
        for net in (*self.students.values(), *self.teachers.values()):
            net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimisers: dict[str, Any] = {}
        self.forwards: dict[str, nn.Module] = {}
        for name, net in self.students.items():
            self.forwards[name] = wrapped(net, accelerator, self.world.data, sync_batchnorm=config.net.sync_bn)
            self.optimisers[name] = accelerator.prepare(networks.optimiser(net, config.optim))
        self.banks = Banks(plan, classes=classes, dim=config.net.feature_dim, labelled_images=labelled_images).to(
            device
        )
        self.class_weight_K = None if class_weight_K is None else class_weight_K.to(device)
        self.meter = Meter(self.world)

    @property
    def networks(self) -> dict[str, nn.Module]:
        return {**self.students, **self.teachers}

    @property
    def writes(self) -> bool:
        """Whether this worker has files of a checkpoint to write: one worker for each student."""
        return self.world.data.index == 0

    @property
    def uses_unlabelled(self) -> bool:
        """Whether this step learns from unlabelled images: the plan does, and its warm-up is over."""
        warm = self.iteration >= self.plan.warmup * self.config.optim.iterations
        return warm and bool(self.plan.routes or self.plan.terms)

    # -- the step ------------------------------------------------------------------------------------------------------

    def step(self, batch: Batch) -> None:
        """Move everything by one iteration; what it measured waits in `meter`."""
        self._schedule()
        self._modes()
        labelled, unlabelled = batch.labelled.to(self.accelerator.device), batch.unlabelled.to(self.accelerator.device)
        view_l = weak_view(labelled)
        early_rows = self._bank_rows("step_start", view_l, labelled)
        pending = self.exchange.targets(self._targets(unlabelled))  # on its way while students see the labelled images
        out_l = {} if self._joint else self._forward(view_l, "labelled")
        targets = pending.wait()
        self._count(targets, unlabelled)
        mask_BHW = mix_mask(self.plan, unlabelled, targets, self._draws("mix")) if targets else None
        targets = {name: mixed(target, mask_BHW) for name, target in targets.items()}
        out_l, out_u = self._unlabelled(view_l, out_l, unlabelled, mask_BHW)
        view = self._step_view(out_l, out_u, labelled, targets)
        self.meter.add_counts(follow_counts(out_u, targets, self.plan.follows))
        self.meter.add_counts(label_counts(view.label_Bhw, self.classes))
        total = {name: self._loss(name, view, labelled, targets) for name in self.students}
        for name, loss in total.items():
            self._update(name, loss)
        self.world.data.average_buffers_(self.students.values())
        self._follow()
        late_rows = self._bank_rows("updated", view_l, labelled)
        self.banks.push({**early_rows, **late_rows}, self.iteration)
        own = [self.teachers[follow.follower] for follow in self._held_follows() if follow.buffers == "own"]
        self.world.data.average_buffers_(own)
        self.iteration += 1

    def _draws(self, use: str) -> torch.Generator:
        """Random numbers of this step: a function of (seed, iteration, use), so no state of theirs is carried over a resume."""
        return draws.generator(self.config.seed * 1_000_003 + self.iteration, use)

    def _seed_dropout(self, student: str, view: str) -> None:
        """Torch's own generator, which dropout draws from: a student has the same draws wherever it is."""
        torch.manual_seed(self._draws(f"dropout {student} {view} {self.world.data.index}").initial_seed())

    def _schedule(self) -> None:
        optim = self.config.optim
        factor = schedules.poly(self.iteration, optim.iterations, optim.power)
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = group["base_lr"] * factor

    def _modes(self) -> None:
        for net in self.forwards.values():
            networks.set_mode(net, training=True, batchnorm=not self.config.net.freeze_bn)
        for follow in self._held_follows():
            networks.set_mode(self.teachers[follow.follower], training=False, batchnorm=follow.buffers == "own")

    @torch.no_grad()
    def _teacher_outputs(self, names: Sequence[str], image_B3HW: Tensor) -> dict[str, NetOut]:
        with self.accelerator.autocast():
            return {name: self.teachers[name](image_B3HW) for name in names}

    def _bank_rows(self, when: str, view_l: Tensor, labelled: Samples) -> dict[str, Rows]:
        """The rows that banks fed at this moment get, from all workers."""
        held = [name for name in self.banks.teachers(when) if name in self.teachers]
        outs = self._teacher_outputs(held, view_l)
        return self.exchange.bank_rows(self.banks.read(outs, labelled, self._draws, self.world.data))

    def _targets(self, unlabelled: Samples) -> dict[str, Target]:
        """Labels of the weak view from every teacher of this worker, before any mixing."""
        if not self.uses_unlabelled:
            return {}
        outs = self._teacher_outputs(list(self.teachers), weak_view(unlabelled))
        return {name: teach(out.logits_BKhw, unlabelled) for name, out in outs.items()}

    def _count(self, targets: dict[str, Target], unlabelled: Samples) -> None:
        threshold = self.config.params.ct_threshold
        self.meter.add_counts(pseudo_label_counts(targets, unlabelled.label_BHW, threshold, self.classes))

    @property
    def _joint(self) -> bool:
        return self.plan.joint_forward and self.uses_unlabelled

    def _forward(self, view: Tensor, which: str) -> dict[str, NetOut]:
        """Every student of this worker on one view that they share."""
        outs: dict[str, NetOut] = {}
        for name, net in self.forwards.items():
            self._seed_dropout(name, which)
            with self.accelerator.autocast():
                outs[name] = net(view)
        return outs

    def _unlabelled(
        self, view_l: Tensor, out_l: dict[str, NetOut], unlabelled: Samples, mask_BHW: Tensor | None
    ) -> tuple[dict[str, NetOut], dict[str, NetOut]]:
        """Outputs on the mixed strong view; in a joint pass those on the labelled one come with them."""
        if not self.uses_unlabelled:
            return out_l, {}
        out_u: dict[str, NetOut] = {}
        for name, net in self.forwards.items():
            salt = self.plan.students.index(name) if self.plan.colour_per_student else 0
            view_u = strong_view(unlabelled, self.config.view, salt=salt)
            view_u = view_u if mask_BHW is None else mix.mix(view_u, mask_BHW)
            self._seed_dropout(name, "unlabelled")
            with self.accelerator.autocast():
                if self._joint:
                    parts = [part.split([len(view_l), len(view_u)]) for part in net(torch.cat([view_l, view_u]))]
                    out_l[name], out_u[name] = (NetOut(*pair) for pair in zip(*parts, strict=True))
                else:
                    with networks.statistics_kept(net, kept=self.config.net.bn_statistics == "labelled"):
                        out_u[name] = net(view_u)
        return out_l, out_u

    # -- losses --------------------------------------------------------------------------------------------------------

    def _step_view(
        self, out_l: dict[str, NetOut], out_u: dict[str, NetOut], labelled: Samples, targets: dict[str, Target]
    ) -> StepView:
        size = next(iter(out_l.values())).logits_BKhw.shape[-2:]
        label_Bhw = labels.nearest(labelled.label_BHW, (size[0], size[1]))
        contrasts = bool(self.plan.terms) and bool(out_u) and self.banks.open
        own = {name: seen(out.logits_BKhw) for name, out in out_u.items()} if contrasts else {}
        view = StepView(
            out_l, out_u, label_Bhw, targets, self.exchange.seen(own).wait(),
            self.banks.by_teacher, self.banks.present_K, self._draws, self.world.data,
        )  # fmt: skip
        if not contrasts:
            return view
        feat_MD = {name: contrast.rows(out.feat_BDhw.detach()) for name, out in out_u.items()}
        return replace(view, peer_rows=self.exchange.low_rows(feat_MD, partial(low_queries, view)))

    def _loss(self, name: str, view: StepView, labelled: Samples, targets: Mapping[str, Target]) -> Tensor:
        """This worker's share of one student's loss, times their number because DDP averages gradients over workers."""
        loss = self.plan.supervised_weight * self._measured(
            f"{name}/sup", self._supervised(view.labelled[name], labelled)
        )
        if not self.uses_unlabelled:
            return loss * self.world.data.size
        for route in self.plan.routes:
            if route.learner == name and route.weight > 0:
                value = self._measured(
                    f"{name}<-{route.source}/ct",
                    self._cross_teacher(route, view.unlabelled[name], targets[route.source]),
                )
                loss = loss + route.weight * value
        for term in self.plan.terms:
            if term.learner == name and self.banks.open:
                loss = loss + term.weight * self._measured(f"{name}/{term.name}", TERMS[term.name](view, term))
        return loss * self.world.data.size

    def _measured(self, key: str, value: Tensor) -> Tensor:
        self.meter.add(key, value)
        return value

    def _supervised(self, out: NetOut, labelled: Samples) -> Tensor:
        height, width = labelled.label_BHW.shape[-2:]
        logits_BKHW = labels.upsample(out.logits_BKhw, (height, width))
        optim = self.config.optim
        if optim.ohem_keep is None:
            value, count = losses.cross_entropy(logits_BKHW, labelled.label_BHW, class_weight_K=self.class_weight_K)
        else:
            value, count = losses.ohem(
                logits_BKHW,
                labelled.label_BHW,
                keep=optim.ohem_keep,
                threshold=optim.ohem_threshold,
                class_weight_K=self.class_weight_K,
            )
        return losses.ratio(value, self.world.data.total(count))

    def _cross_teacher(self, route: Route, out: NetOut, target: Target) -> Tensor:
        """Equation (5) for one route."""
        height, width = target.label_BHW.shape[-2:]
        valid_BHW = labels.valid(target.label_BHW)
        above, pixels = losses.batch_fraction(target.conf_BHW, valid_BHW, route.threshold)
        weight_BHW = losses.gate_weight(
            target.conf_BHW,
            valid_BHW,
            gate=route.gate,
            threshold=route.threshold,
            counts=(self.world.data.total(above), self.world.data.total(pixels)),
        )
        logits_BKHW = labels.upsample(out.logits_BKhw, (height, width))
        value, count = losses.cross_entropy(logits_BKHW, target.label_BHW, weight_BHW=weight_BHW)
        if route.denominator == "all":
            count = torch.full_like(count, valid_BHW.numel())
        return losses.ratio(value, self.world.data.total(count))

    # -- updates -------------------------------------------------------------------------------------------------------

    def _update(self, name: str, loss: Tensor) -> None:
        self.accelerator.backward(loss)
        if self.config.optim.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.forwards[name].parameters(), self.config.optim.clip_norm)
        self.optimisers[name].step()
        self.optimisers[name].zero_grad()

    def _held_follows(self) -> list[Follow]:
        return [follow for follow in self.plan.follows if follow.follower in self.teachers]

    def _follow(self) -> None:
        for follow in self._held_follows():
            decay = ema.decay_at(self.iteration, follow.decay)
            ema.follow_(
                self.teachers[follow.follower], self.students[follow.leader], decay=decay, buffers=follow.buffers
            )

    # -- state ---------------------------------------------------------------------------------------------------------

    def save(self, folder: Path, extra: Mapping[str, Any]) -> None:
        """Write what this worker is to write of all that remembers into `folder`: everything, if it is alone or pairs are
        together. `extra` is the caller's own (stream counters, last metrics)."""
        state.save(self, folder, extra)

    def load(self, folder: Path) -> dict[str, Any]:
        """Restore from `save`; returns its `extra`. Raises ConfigError for a checkpoint of another plan or other classes."""
        return state.load(self, folder)
