"""A training method as data: who labels whom, who follows whom, and which extra losses there are.

The engine runs any Plan; a method is one function that returns one (ctt_ray/methods). A Plan can be printed
(`--show-plan`), hashed into every checkpoint and checked before the first step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ctt_ray.vocabulary import (
    CLASSIFIER,
    Auxiliary,
    Bank,
    Buffers,
    Follow,
    Gate,
    Mixer,
    Option,
    Route,
    Stage,
    Term,
    View,
)

__all__ = [
    "CLASSIFIER", "Auxiliary", "Bank", "Buffers", "Follow", "Gate", "Mixer", "Option", "Plan", "PlanError", "Route", "Stage",
    "Term", "View",
]  # fmt: skip
CONTRASTS = ("contrast_high", "contrast_low")  # the terms that read banks


class PlanError(ValueError):
    """A plan that cannot be trained; says what is wrong and what to add."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Students and teachers by name, and everything that happens between them. Raises PlanError where it cannot work.

    supervised: the students that learn from labels, all unless named.   turns: students in the order of their updates, whose
    followers follow before the next turn's forward passes; all at once unless named.
    warmup: share of the run on labels alone, in which followers follow and banks fill; a plan with stages names it there.
    mix_p: share of the images that are mixed.   colour: whether the strong view is jittered and blurred.   drop: share of
    the features' channels that the view `dropped` lacks.
    """

    method: str
    students: tuple[str, ...]
    teachers: tuple[str, ...] = ()
    supervised: tuple[str, ...] = ()
    supervised_weight: float = 1.0
    routes: tuple[Route, ...] = ()
    follows: tuple[Follow, ...] = ()
    banks: tuple[Bank, ...] = ()
    terms: tuple[Term, ...] = ()
    auxiliaries: tuple[Auxiliary, ...] = ()
    stages: tuple[Stage, ...] = (Stage(share=1.0),)
    turns: tuple[tuple[str, ...], ...] = ()
    warmup: float = 0.0
    bank_gate: Literal["all_full", "present_classes"] = "all_full"
    mixer: Mixer = "none"
    mix_p: float = 1.0
    colour: bool = True
    drop: float = 0.5
    joint_forward: bool = False
    colour_per_student: bool = False

    def __post_init__(self) -> None:
        names = self.students + self.teachers + tuple(aux.name for aux in self.auxiliaries)
        if len(set(names)) != len(names):
            raise PlanError(f"network names must differ, found {names}")
        if not self.students:
            raise PlanError("a plan needs at least one student")
        for route in self.routes:
            self._check_route(route)
        for follow in self.follows:
            self._expect("follow", "follower", follow.follower, self.students + self.teachers)
            self._expect("follow", "leader", follow.leader, self.students)
        for bank in self.banks:
            self._expect("bank", "teacher", bank.teacher, self.teachers)
            if bank.slots < 1 or (bank.take is not None and not 1 <= bank.take <= bank.slots):
                raise PlanError(
                    f"bank of '{bank.teacher}': take {bank.take} rows a step into {bank.slots} slots; use 1 <= take <= slots"
                )
        for aux in self.auxiliaries:
            self._expect("auxiliary", "learner", aux.learner, self.students)
        for term in self.terms:
            self._check_term(term)
        self._check_order()
        followers = [follow.follower for follow in self.follows]
        for teacher in self.teachers:
            if followers.count(teacher) != 1:
                raise PlanError(
                    f"teacher '{teacher}' has {followers.count(teacher)} leaders, it needs exactly one; "
                    f"{'add' if teacher not in followers else 'keep one'} Follow(follower='{teacher}', leader=...)"
                )

    @staticmethod
    def _expect(what: str, role: str, name: str, known: Iterable[str]) -> None:
        if name not in known:
            raise PlanError(
                f"{what}: {role} '{name}' is not one of {list(known)}; name a network that can have that role"
            )

    def _check_route(self, route: Route) -> None:
        self._expect("route", "learner", route.learner, self.students)
        self._expect("route", "source", route.source, self.students + self.teachers)
        together = any({route.learner, route.source} <= set(turn) for turn in self.turns or (self.students,))
        if route.source_view == "same" and not together:
            raise PlanError(
                f"route of '{route.learner}': of those that label it, only students of its turn see the view "
                f"`{route.view}` with it; use source_view weak"
            )
        if route.on == "all" and not (together and {route.learner, route.source} <= set(self.learn_from_labels)):
            raise PlanError(
                f"route of '{route.learner}': on labelled images only students of one turn that see them label each other; "
                "use on unlabelled"
            )
        if route.gate == "reweight" and route.source_view == "weak" and route.source not in self.teachers:
            raise PlanError(f"route of '{route.learner}': reweight asks its source again, a teacher; use another gate")
        if route.gate == "class_share" and route.source_view == "same":
            raise PlanError(
                f"route of '{route.learner}': class_share counts labels of the weak view; use source_view weak"
            )

    def _check_term(self, term: Term) -> None:
        self._expect("term", "learner", term.learner, self.students)
        if term.aux:
            self._expect("term", "aux", term.aux, [aux.name for aux in self.auxiliaries])
        banks = {bank.teacher for bank in self.banks}
        for teacher in (term.teacher, *(peer for _, peer in term.peers)) if term.name in CONTRASTS else ():
            if teacher not in banks:
                raise PlanError(
                    f"term '{term.name}' of '{term.learner}' reads the bank of '{teacher}'; add Bank(teacher='{teacher}', ...)"
                )
        if sum((other.name, other.learner) == (term.name, term.learner) for other in self.terms) > 1:
            raise PlanError(f"'{term.learner}' has the term '{term.name}' twice; give one term all its peers")
        for student, _ in term.peers:
            if student == term.learner and term.name == "contrast_low":
                raise PlanError(
                    "contrast_low needs a peer other than the learner; use two pairs or more, or set its weight to 0"
                )

    def _check_order(self) -> None:
        for name in self.supervised:
            self._expect("supervised", "student", name, self.students)
        if self.turns and sorted(sum(self.turns, ())) != sorted(self.students):
            raise PlanError(f"turns {self.turns} must name each of the students {self.students} once")
        for aux in self.auxiliaries if self.turns else ():
            if aux.learner not in self.turns[-1]:
                raise PlanError(
                    f"auxiliary '{aux.name}' learns after the last turn, from what '{aux.learner}' gave out before it; "
                    "put its learner into the last turn"
                )
        if abs(sum(stage.share for stage in self.stages) - 1) > 1e-9 or any(stage.share <= 0 for stage in self.stages):
            raise PlanError(
                f"the stages' shares are {[stage.share for stage in self.stages]}: each above 0, together 1"
            )
        if self.mixer == "classmix" and self.lessons and not self.sources:
            raise PlanError(
                "classmix pastes classes that somebody has predicted, and nobody labels here; use cutmix or none"
            )
        if self.warmup and len(self.stages) > 1:
            raise PlanError("a plan with stages has no warmup: make its first stage one with labels_only")

    @property
    def learn_from_labels(self) -> tuple[str, ...]:
        return self.supervised or self.students

    @property
    def lessons(self) -> tuple[Route | Term, ...]:
        """What is learnt from unlabelled images."""
        return (*self.routes, *self.terms)

    @property
    def views(self) -> tuple[View, ...]:
        """The views of the unlabelled images that students see, in a fixed order."""
        used = {item.view for item in self.lessons}
        known: tuple[View, ...] = ("strong", "strong2", "dropped", "weak")
        return tuple(view for view in known if view in used)

    @property
    def threshold(self) -> float:
        """The confidence from which on a pseudo-label is called sure."""
        return self.routes[0].threshold if self.routes else Route(learner="", source="").threshold

    def leader(self, teacher: str) -> str:
        return next(follow.leader for follow in self.follows if follow.follower == teacher)

    def label_matrix(self) -> list[list[float]]:
        """A row a student, a column a source of labels: the weight with which it labels that student."""
        cell: dict[tuple[str, str], float] = {}
        for route in self.routes:
            cell[route.learner, route.source] = cell.get((route.learner, route.source), 0.0) + route.weight
        return [[cell.get((student, source), 0.0) for source in self.sources] for student in self.students]

    @property
    def sources(self) -> tuple[str, ...]:
        """Every teacher, and the students that label somebody."""
        return self.teachers + tuple(name for name in self.students if name in {route.source for route in self.routes})

    def to_dict(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self)))

    @staticmethod
    def from_dict(raw: Mapping[str, Any]) -> Plan:
        parts: dict[str, Any] = {
            "routes": tuple(Route(**r) for r in raw["routes"]),
            "follows": tuple(Follow(**{**f, "skip": tuple(f["skip"])}) for f in raw["follows"]),
            "banks": tuple(Bank(**b) for b in raw["banks"]),
            "terms": tuple(Term(**{**t, "peers": tuple((s, p) for s, p in t["peers"])}) for t in raw["terms"]),
            "auxiliaries": tuple(Auxiliary(**a) for a in raw["auxiliaries"]),
            "stages": tuple(Stage(**s) for s in raw["stages"]),
            "turns": tuple(tuple(turn) for turn in raw["turns"]),
            "students": tuple(raw["students"]),
            "teachers": tuple(raw["teachers"]),
            "supervised": tuple(raw["supervised"]),
        }
        return Plan(**{**raw, **parts})

    def hash(self) -> str:
        """The first 16 hex digits of the SHA-256 of the canonical JSON; stands in every checkpoint."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def describe(self) -> str:
        """The label matrix, the follows and the rest in plain text, for `--show-plan`."""
        lines = [
            f"{self.method}: students {', '.join(self.students)}"
            + (f" · teachers {', '.join(self.teachers)}" if self.teachers else "")
        ]
        lines += self._matrix_lines()
        lines += [_route_line(route) for route in self.routes]
        lines += [_follow_line(follow) for follow in self.follows]
        lines += [f"bank    {b.teacher}  {b.slots} slots a class" for b in self.banks]
        lines += [f"beside  {aux.name}  {aux.kind} of {aux.learner}, lr {aux.lr:g}" for aux in self.auxiliaries]
        for term in self.terms:
            peers = f"  peers {', '.join(student for student, _ in term.peers)}" if term.peers else ""
            options = ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in term.options.items())
            lines.append(f"term    {term.learner}  {term.name} x {term.weight:g}{peers}  ({options})")
        lines.append(f"mixer   {self.mixer}" + (f" with p {self.mix_p:g}" if self.mix_p < 1 else ""))
        if self.supervised:
            lines.append(f"labels  {', '.join(self.supervised)} alone learn from labels")
        if self.turns:
            lines.append("turns   " + ", then ".join(" and ".join(turn) for turn in self.turns))
        if self.warmup:
            lines.append(f"warmup  the first {self.warmup:.0%} of the run on labels alone")
        return "\n".join(lines + self._stage_lines())

    def _matrix_lines(self) -> list[str]:
        if not self.sources:
            return []
        width = max(map(len, self.students))
        columns = [max(6, len(name)) for name in self.sources]
        head = "labels  " + " " * width
        lines = [head + "".join(f"  {name:>{wide}}" for name, wide in zip(self.sources, columns, strict=True))]
        for student, row in zip(self.students, self.label_matrix(), strict=True):
            cells = "".join(f"  {weight:{wide}.3g}" for weight, wide in zip(row, columns, strict=True))
            lines.append(f"        {student:<{width}}{cells}")
        return lines

    def _stage_lines(self) -> list[str]:
        if len(self.stages) == 1:
            return []
        return [
            f"stage   {number}  {stage.share:.0%} of the run"
            + (", labels alone" if stage.labels_only else "")
            + (", fresh students" if stage.restart else "")
            + (f", the surest {stage.keep:.0%} of each class" if stage.keep < 1 else "")
            for number, stage in enumerate(self.stages)
        ]


def _route_line(route: Route) -> str:
    gate = {
        "none": "every pixel",
        "pixel": f"confidence >= {route.threshold:g}",
        "batch_fraction": f"times the share with confidence >= {route.threshold:g}",
        "reweight": f"the surest {route.keep:.0%}, weighted by confidence",
        "class_share": "the surest of each class",
    }[route.gate]
    kind = "hard labels" if route.loss == "ce" else "probabilities"
    seen = "the learner's own view" if route.source_view == "same" else "the weak view"
    where = "" if route.on == "unlabelled" else ", labelled images too"
    dynamic = f", weighted by own probability^{route.gamma:g}" if route.gamma else ""
    return (
        f"route   {route.learner} <- {route.source}  {kind} of {seen}, learnt on {route.view}{where}; {gate}{dynamic}"
    )


def _follow_line(follow: Follow) -> str:
    since = f" from stage {follow.since} on" if follow.since else ""
    skip = f", all but {', '.join(follow.skip)}" if follow.skip else ""
    how = f"decay {follow.decay:g}" if follow.when == "step" else "a copy at the start of each stage"
    return f"follow  {follow.follower} <- {follow.leader}  {how}, buffers {follow.buffers}{skip}{since}"
