"""A training method as data: who labels whom, who follows whom, and which extra losses there are.

The engine runs any Plan; a method is one function that returns one (ctt_ray/methods). A Plan can be printed
(`--show-plan`), hashed into every checkpoint and checked before the first step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Gate = Literal["none", "pixel", "batch_fraction"]
Buffers = Literal["average", "copy", "own"]
Option = str | float | bool | None


class PlanError(ValueError):
    """A plan that cannot be trained; says what is wrong and what to add."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """`source` labels the unlabelled images for `learner`: hard labels from the weak view, learnt on the strong view.

    gate: `none` every valid pixel · `pixel` those with confidence >= threshold · `batch_fraction` all, times the share of
    pixels with confidence >= threshold.   threshold: a probability.
    denominator: `valid` divides by the pixels that are neither void nor padding, `all` by every pixel of the crop.
    """

    learner: str
    source: str
    weight: float = 1.0
    gate: Gate = "none"
    threshold: float = 0.968
    denominator: Literal["valid", "all"] = "valid"


@dataclass(frozen=True, kw_only=True, slots=True)
class Follow:
    """`follower` is an exponential moving average of `leader`: decay_t = min(1 - 1/(t+1), decay).

    buffers: what happens to BatchNorm's running statistics: `average` like parameters · `copy` · `own`, the teacher keeps
    its own, made in train mode.
    """

    follower: str
    leader: str
    decay: float
    buffers: Buffers = "average"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bank:
    """One class-wise memory bank, fed with `teacher`'s features of correctly predicted labelled pixels.

    take: rows per class and step; None = one pass over the labelled set renews every queue about once.
    when: `updated` feeds it after the step with the moved teacher, `step_start` with the teacher that made the labels.
    """

    teacher: str
    slots: int
    take: int | None = None
    select: Literal["confidence", "random"] = "confidence"
    min_conf: float = 0.0
    when: Literal["updated", "step_start"] = "updated"


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """A named extra loss of `learner`; `peers` are the pairs it looks at, as (student, teacher) names.

    name is a key of ctt_ray.engine.terms.TERMS; what the options mean stands there.
    """

    name: str
    learner: str
    teacher: str  # the learner's own teacher: its bank holds the positives
    peers: tuple[tuple[str, str], ...]
    weight: float
    options: Mapping[str, Option] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Students and teachers by name, and everything that happens between them. Raises PlanError where it cannot work."""

    method: str
    students: tuple[str, ...]
    teachers: tuple[str, ...] = ()
    supervised_weight: float = 1.0
    routes: tuple[Route, ...] = ()
    follows: tuple[Follow, ...] = ()
    banks: tuple[Bank, ...] = ()
    terms: tuple[Term, ...] = ()
    warmup: float = 0.0  # share of the run on labels alone; followers follow and banks fill meanwhile
    bank_gate: Literal["all_full", "present_classes"] = "all_full"
    mixer: Literal["none", "cutmix", "classmix"] = "none"
    joint_forward: bool = False
    colour_per_student: bool = False

    def __post_init__(self) -> None:
        names = self.students + self.teachers
        if len(set(names)) != len(names):
            raise PlanError(f"network names must differ, found {names}")
        if not self.students:
            raise PlanError("a plan needs at least one student")
        for route in self.routes:
            self._expect("route", "learner", route.learner, self.students)
            self._expect("route", "source", route.source, self.teachers)
        for follow in self.follows:
            self._expect("follow", "follower", follow.follower, self.teachers)
            self._expect("follow", "leader", follow.leader, self.students)
        for bank in self.banks:
            self._expect("bank", "teacher", bank.teacher, self.teachers)
            if bank.slots < 1 or (bank.take is not None and not 1 <= bank.take <= bank.slots):
                raise PlanError(
                    f"bank of '{bank.teacher}': take {bank.take} rows a step into {bank.slots} slots; use 1 <= take <= slots"
                )
        for term in self.terms:
            self._check_term(term)
        followers = [follow.follower for follow in self.follows]
        for teacher in self.teachers:
            if followers.count(teacher) != 1:
                raise PlanError(
                    f"teacher '{teacher}' has {followers.count(teacher)} leaders, it needs exactly one; "
                    f"{'add' if teacher not in followers else 'keep one'} Follow(follower='{teacher}', leader=...)"
                )

    @staticmethod
    def _expect(what: str, role: str, name: str, known: tuple[str, ...]) -> None:
        if name not in known:
            raise PlanError(
                f"{what}: {role} '{name}' is not one of {list(known)}; name a network that can have that role"
            )

    def _check_term(self, term: Term) -> None:
        self._expect("term", "learner", term.learner, self.students)
        banks = {bank.teacher for bank in self.banks}
        for teacher in (term.teacher, *(peer for _, peer in term.peers)):
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

    def leader(self, teacher: str) -> str:
        return next(follow.leader for follow in self.follows if follow.follower == teacher)

    def label_matrix(self) -> list[list[float]]:
        """A row a student, a column a teacher: the weight with which that teacher labels that student."""
        cell = {(route.learner, route.source): route.weight for route in self.routes}
        return [[cell.get((student, teacher), 0.0) for teacher in self.teachers] for student in self.students]

    def to_dict(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self)))

    @staticmethod
    def from_dict(raw: Mapping[str, Any]) -> Plan:
        parts: dict[str, Any] = {
            "routes": tuple(Route(**r) for r in raw["routes"]),
            "follows": tuple(Follow(**f) for f in raw["follows"]),
            "banks": tuple(Bank(**b) for b in raw["banks"]),
            "terms": tuple(Term(**{**t, "peers": tuple((s, p) for s, p in t["peers"])}) for t in raw["terms"]),
            "students": tuple(raw["students"]),
            "teachers": tuple(raw["teachers"]),
        }
        return Plan(**{**raw, **parts})

    def hash(self) -> str:
        """The first 16 hex digits of the SHA-256 of the canonical JSON; stands in every checkpoint."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def describe(self) -> str:
        """The label matrix and the follows in plain text, for `--show-plan`."""
        lines = [
            f"{self.method}: students {', '.join(self.students)}"
            + (f" · teachers {', '.join(self.teachers)}" if self.teachers else "")
        ]
        width = max(map(len, self.students))
        if self.teachers:
            lines.append("labels  " + " " * width + "  " + "  ".join(f"{t:>6}" for t in self.teachers))
            for student, row in zip(self.students, self.label_matrix(), strict=True):
                lines.append(f"        {student:<{width}}  " + "  ".join(f"{w:6.3g}" for w in row))
        lines += [f"follow  {f.follower} <- {f.leader}  decay {f.decay:g}, buffers {f.buffers}" for f in self.follows]
        lines += [f"bank    {b.teacher}  {b.slots} slots a class" for b in self.banks]
        for term in self.terms:
            peers = ", ".join(student for student, _ in term.peers)
            options = ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in term.options.items())
            lines.append(f"term    {term.learner}  {term.name} x {term.weight:g}  peers {peers}  ({options})")
        lines.append(f"mixer   {self.mixer}")
        if self.warmup:
            lines.append(f"warmup  the first {self.warmup:.0%} of the run on labels alone")
        return "\n".join(lines)
