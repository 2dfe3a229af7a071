"""One training step of any Plan.  docs/equations.md has the equations, docs/flow.md the picture.

Order inside a step: learning rate · targets from the weak views, by the weights at step start · a turn of students forward,
labelled then unlabelled · losses · their updates · their followers · the next turn · networks beside · banks. Losses separate
by student, since every target and peer feature is detached.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from ctt_ray.engine.auxiliaries import Auxiliaries, Shape
from ctt_ray.engine.banks import Banks, Rows
from ctt_ray.engine.diagnostics import Meter, follow_counts, label_counts, pseudo_label_counts
from ctt_ray.engine.exchange import Exchange, Pending
from ctt_ray.engine.objectives import Objectives
from ctt_ray.engine.shares import Shares
from ctt_ray.engine.stages import Timeline
from ctt_ray.engine.terms import StepView, low_queries
from ctt_ray.engine.views import Sights, Target, seen, teach, weak_view
from ctt_ray.engine.world import World
from ctt_ray.maths import contrast, draws, ema, labels, schedules
from ctt_ray.nets import NetOut
from ctt_ray.plan import CONTRASTS, Follow, Plan, View

Outs = dict[str, NetOut]  # of students


class Engine:
    """Students, teachers, optimisers, banks and networks beside of one run, and the step that moves them.

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
        self.timeline = Timeline(plan, config.optim.iterations)
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
        dim = config.net.feature_dim
        self.banks = Banks(plan, classes=classes, dim=dim, labelled_images=labelled_images).to(device)
        self.shares = Shares(plan, classes).to(device)
        shape = Shape.of(next(iter(self.students.values())), classes)
        self.beside = Auxiliaries(plan, shape, accelerator, self.world.data, seed=config.seed)
        self.meter = Meter(self.world)
        self.objectives = Objectives(
            plan,
            config.optim,
            meter=self.meter,
            shares=self.shares,
            data=self.world.data,
            class_weight_K=None if class_weight_K is None else class_weight_K.to(device),
            look=lambda name, image_B3HW: self._teacher_outputs([name], image_B3HW)[name],
        )

    @property
    def networks(self) -> dict[str, nn.Module]:
        return {**self.students, **self.teachers}

    @property
    def writes(self) -> bool:
        """Whether this worker has files of a checkpoint to write: one worker for each student."""
        return self.world.data.index == 0

    @property
    def uses_unlabelled(self) -> bool:
        """Whether this step learns from unlabelled images: the plan does, and neither warm-up nor stage forbids it."""
        warm = self.iteration >= self.plan.warmup * self.config.optim.iterations
        return warm and bool(self.plan.views) and not self.timeline.at(self.iteration).labels_only

    # -- the step ------------------------------------------------------------------------------------------------------

    def step(self, batch: Batch) -> None:
        """Move everything by one iteration; what it measured waits in `meter`."""
        if self.timeline.begins(self.iteration):
            self._enter(self.timeline.number(self.iteration))
        self._schedule()
        self._modes()
        labelled, unlabelled = batch.labelled.to(self.accelerator.device), batch.unlabelled.to(self.accelerator.device)
        view_l = weak_view(labelled)
        early_rows = self._bank_rows("step_start", view_l, labelled)
        pending = self.exchange.targets(self._targets(unlabelled))  # on its way while students see the labelled images
        sights: Sights | None = None
        for turn in self._turns():
            out_l = {} if self._joint else self._labelled(turn, view_l)
            sights = sights or self._sights(unlabelled, pending)
            out_l, outs = self._unlabelled(turn, view_l, out_l, sights)
            view = self._step_view(out_l, outs, view_l, labelled, sights)
            self.meter.add_counts(
                follow_counts(outs.get("strong", {}), sights.targets.get("strong", {}), self.plan.follows)
            )
            self._learn(turn, view)
        self.meter.add_counts(label_counts(view.label_Bhw, self.classes))
        if self.beside:
            for name, value in self.beside.learn(view, unlabelled=self.uses_unlabelled).items():
                self.meter.add(f"{name}/own", value)
        late_rows = self._bank_rows("updated", view_l, labelled)
        self.banks.push({**early_rows, **late_rows}, self.iteration)
        own = {f.follower for f in self._held_follows() if f.buffers == "own"}
        self.world.data.average_buffers_(net for name, net in self.teachers.items() if name in own)
        self.iteration += 1

    def _draws(self, use: str) -> torch.Generator:
        """Random numbers of this step: a function of (seed, iteration, use), so no state of theirs is carried over a resume."""
        return draws.generator(self.config.seed * 1_000_003 + self.iteration, use)

    def _seed_dropout(self, student: str, view: str) -> None:
        """Torch's own generator, which dropout draws from: a student has the same draws wherever it is."""
        torch.manual_seed(self._draws(f"dropout {student} {view} {self.world.data.index}").initial_seed())

    def _schedule(self) -> None:
        step, length = self.timeline.schedule(self.iteration)
        factor = schedules.poly(step, length, self.config.optim.power)
        for optimiser in (*self.optimisers.values(), *self.beside.optimisers.values()):
            for group in optimiser.param_groups:
                group["lr"] = group["base_lr"] * factor

    def _modes(self) -> None:
        for net in self.forwards.values():
            networks.set_mode(net, training=True, batchnorm=not self.config.net.freeze_bn)
        for follow in self._held_follows():
            if follow.follower in self.teachers:
                networks.set_mode(self.teachers[follow.follower], training=False, batchnorm=follow.buffers == "own")

    def _turns(self) -> list[list[str]]:
        """The students of this worker that learn in this step, in the order of their updates."""
        learns = set(self.plan.learn_from_labels)
        if self.uses_unlabelled:
            learns |= {lesson.learner for lesson in self.plan.lessons}
        turns = [
            [name for name in turn if name in self.students and name in learns]
            for turn in self.plan.turns or (self.plan.students,)
        ]
        return [turn for turn in turns if turn]

    def _learn(self, turn: Sequence[str], view: StepView) -> None:
        """Losses of these students, their updates, and their followers."""
        stage, unlabelled = self.timeline.at(self.iteration), self.uses_unlabelled
        with self.beside.judging():
            total = {
                name: self.objectives.of(name, view, stage=stage, unlabelled=unlabelled, contrasts=self.banks.open)
                for name in turn
            }
            for name, loss in total.items():
                if loss is not None:
                    self._update(name, loss)
        self.world.data.average_buffers_(self.students[name] for name in turn)
        self._follow(turn)

    # -- what is seen --------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def _teacher_outputs(self, names: Iterable[str], image_B3HW: Tensor) -> Outs:
        with self.accelerator.autocast():
            return {name: self.teachers[name](image_B3HW) for name in names}

    @torch.no_grad()
    def _student_source(self, name: str, image_B3HW: Tensor) -> NetOut:
        """A student as it labels others: as it learns (BatchNorm by its batch) or as it is scored; its statistics stay."""
        self._seed_dropout(name, "source")
        if scored := self.config.net.label_mode == "eval":
            networks.set_mode(self.students[name], training=False, batchnorm=False)
        with self.accelerator.autocast(), networks.statistics_kept(self.students[name], kept=True):
            out: NetOut = self.students[name](image_B3HW)
        if scored:
            self._modes()
        return out

    def _bank_rows(self, when: str, view_l: Tensor, labelled: Samples) -> dict[str, Rows]:
        """The rows that banks fed at this moment get, from all workers."""
        held = [name for name in self.banks.teachers(when) if name in self.teachers]
        outs = self._teacher_outputs(held, view_l)
        return self.exchange.bank_rows(self.banks.read(outs, labelled, self._draws, self.world.data))

    def _targets(self, unlabelled: Samples) -> dict[str, Target]:
        """Labels of the weak view from every source on this worker, before any mixing."""
        if not self.uses_unlabelled:
            return {}
        weak = [route for route in self.plan.routes if route.source_view == "weak"]
        image_B3HW, padding_BHW = weak_view(unlabelled), unlabelled.label_BHW == labels.PADDING
        outs = self._teacher_outputs(list(self.teachers), image_B3HW)
        for name in dict.fromkeys(route.source for route in weak if route.source in self.students):
            outs[name] = self._student_source(name, image_B3HW)
        soft = {route.source for route in weak if route.loss == "mse"}
        found = {name: teach(out.logits_BKhw, padding_BHW, soft=name in soft) for name, out in outs.items()}
        for source in self.shares.sources:
            self.shares.see(source, found[source], self.world.data)
        return found

    def _sights(self, unlabelled: Samples, pending: Pending) -> Sights:
        targets = pending.wait()
        counts = pseudo_label_counts(targets, unlabelled.label_BHW, self.plan.threshold, self.classes)
        self.meter.add_counts(counts)
        views = self.plan.views if self.uses_unlabelled else ()
        return Sights(self.plan, self.config.view, unlabelled, views, targets, self._draws)

    @property
    def _joint(self) -> bool:
        return self.plan.joint_forward and self.uses_unlabelled

    def _forward(self, name: str, image_B3HW: Tensor, use: str, *, drop: float = 0.0, kept: bool = False) -> NetOut:
        """One pass of a student with gradient.   use: names its draws of dropout.   kept: BatchNorm's statistics stay."""
        self._seed_dropout(name, use)
        net = self.forwards[name]
        with self.accelerator.autocast(), networks.statistics_kept(net, kept=kept):
            out: NetOut = net(image_B3HW, drop) if drop else net(image_B3HW)
        return out

    def _labelled(self, turn: Sequence[str], view_l: Tensor) -> Outs:
        return {name: self._forward(name, view_l, "labelled") for name in turn if name in self.plan.learn_from_labels}

    def _unlabelled(
        self, turn: Sequence[str], view_l: Tensor, out_l: Outs, sights: Sights
    ) -> tuple[Outs, dict[View, Outs]]:
        """Outputs on the labelled images and on every view of the unlabelled ones; in a joint pass the first view's come with
        the labelled ones'."""
        if not self.uses_unlabelled:
            return out_l, {}
        kept = self.config.net.bn_statistics == "labelled"
        outs: dict[View, Outs] = {view: {} for view in self.plan.views}
        for name in turn:
            for place, view in enumerate(self.plan.views):
                image_B3HW = sights.image(view, name)
                drop = self.plan.drop if view == "dropped" else 0.0
                use = "unlabelled" if place == 0 else f"unlabelled {view}"
                if place == 0 and self._joint:
                    both = self._forward(name, torch.cat([view_l, image_B3HW]), use, drop=drop)
                    parts = [part.split([len(view_l), len(image_B3HW)]) for part in both]
                    out_l[name], outs[view][name] = (NetOut(*pair) for pair in zip(*parts, strict=True))
                elif self._sees(name):
                    outs[view][name] = self._forward(name, image_B3HW, use, drop=drop, kept=kept or drop > 0)
        return out_l, outs

    def _sees(self, name: str) -> bool:
        """Whether anything reads this student's outputs on unlabelled images."""
        sources = {route.source for route in self.plan.routes if route.source_view == "same"}
        peers = {student for term in self.plan.terms for student, _ in term.peers}
        return name in sources | peers | {lesson.learner for lesson in self.plan.lessons}

    def _step_view(
        self, out_l: Outs, outs: dict[View, Outs], view_l: Tensor, labelled: Samples, sights: Sights
    ) -> StepView:
        every = [*out_l.values(), *(out for seen_by in outs.values() for out in seen_by.values())]
        size = every[0].logits_BKhw.shape[-2:] if every else labelled.label_BHW.shape[-2:]
        contrasts = any(term.name in CONTRASTS for term in self.plan.terms) and bool(outs) and self.banks.open
        own = {name: seen(out.logits_BKhw) for name, out in outs["strong"].items()} if contrasts else {}
        view = StepView(
            labelled=out_l,
            outs=outs,
            image_l_B3HW=view_l,
            label_BHW=labelled.label_BHW,
            label_Bhw=labels.nearest(labelled.label_BHW, (size[0], size[1])),
            sights=sights,
            seen=self.exchange.seen(own).wait(),
            banks=self.banks.by_teacher,
            present_K=self.banks.present_K,
            aux=self.beside.nets,
            net=partial(self._forward, use="term", kept=True),
            draws=self._draws,
            data=self.world.data,
            progress=max(0.0, self.iteration / self.config.optim.iterations - self.plan.warmup),
        )
        if not contrasts:
            return view
        feat_MD = {name: contrast.rows(out.feat_BDhw.detach()) for name, out in outs["strong"].items()}
        return replace(view, peer_rows=self.exchange.low_rows(feat_MD, partial(low_queries, view)))

    # -- updates -------------------------------------------------------------------------------------------------------

    def _update(self, name: str, loss: Tensor) -> None:
        self.accelerator.backward(loss)
        if self.config.optim.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.forwards[name].parameters(), self.config.optim.clip_norm)
        self.optimisers[name].step()
        self.optimisers[name].zero_grad()

    def _held_follows(self) -> list[Follow]:
        return [follow for follow in self.plan.follows if follow.follower in self.networks]

    def _follow(self, leaders: Sequence[str]) -> None:
        stage = self.timeline.number(self.iteration)
        for follow in self._held_follows():
            if follow.when == "step" and follow.since <= stage and follow.leader in leaders:
                decay = ema.decay_at(self.iteration - self.timeline.starts[follow.since], follow.decay)
                ema.follow_(
                    self.networks[follow.follower],
                    self.students[follow.leader],
                    decay=decay,
                    skip=follow.skip,
                    buffers=follow.buffers,
                )

    def _enter(self, stage: int) -> None:
        """What happens once at the start of a stage: copies are taken, then students begin afresh if the stage says so."""
        for follow in self._held_follows():
            if follow.when == "stage":
                copied = follow.since <= stage
            else:  # a student that follows at each step stays what it is: its leader may still be fresh
                copied = follow.since == stage and follow.follower in self.teachers
            if copied:
                ema.follow_(self.networks[follow.follower], self.students[follow.leader], decay=0.0, buffers="copy")
        if self.timeline.stages[stage].restart:
            fresh = networks.build_students(
                self.plan,
                self.config.net,
                classes=self.classes,
                seed=self.config.seed,
                held=self.world.holds,
                turn=stage,
            )
            for name, net in self.students.items():
                net.load_state_dict(fresh[name].state_dict())
                self.optimisers[name].state.clear()
        self.shares.forget()

    # -- state ---------------------------------------------------------------------------------------------------------

    def save(self, folder: Path, extra: Mapping[str, Any]) -> None:
        """Write what this worker is to write of all that remembers into `folder`: everything, if it is alone or pairs are
        together. `extra` is the caller's own (stream counters, last metrics)."""
        state.save(self, folder, extra)

    def load(self, folder: Path) -> dict[str, Any]:
        """Restore from `save`; returns its `extra`. Raises ConfigError for a checkpoint of another plan or other classes."""
        return state.load(self, folder)
