"""Networks beside the students: one that judges with a loss of its own, one that learns from its learner's term."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from step_views import one_view
from tiny_runs import make_batch, make_engine, parameters, same_state
from torch import Tensor, nn
from two_workers import Half, both

from ctt_ray.engine import Engine
from ctt_ray.engine.accelerator import make_accelerator
from ctt_ray.engine.auxiliaries import KINDS, Auxiliaries, Kind, Shape
from ctt_ray.engine.terms import TERMS, StepView
from ctt_ray.engine.world import Group
from ctt_ray.plan import Auxiliary, Plan, Stage, Term

CRITIC = Auxiliary(name="critic", kind="tiny_critic", learner="s0", lr=0.01)
DECODER = Auxiliary(name="decoder", kind="tiny_decoder", learner="s0", lr=0.02)
FOOLS = Term(name="fools", learner="s0", weight=1.0, aux="critic")
DECODES = Term(name="decodes", learner="s0", weight=0.5, aux="decoder")


def fools(view: StepView, term: Term) -> Tensor:
    """The student wants the critic's score of its probabilities to be high."""
    return -view.aux[term.aux](view.unlabelled(term).logits_BKhw.softmax(1)).mean()


def decodes(view: StepView, term: Term) -> Tensor:
    """The backbone's features are to be decoded into the student's own prediction."""
    out = view.unlabelled(term)
    size = (out.high_BChw.shape[-2], out.high_BChw.shape[-1])
    said = nn.functional.adaptive_avg_pool2d(out.logits_BKhw.detach().softmax(1), size)
    return (view.aux[term.aux](out.high_BChw).softmax(1) - said).square().mean()


def judges(view: StepView, spec: Auxiliary) -> Tensor:
    """The critic tells labelled from unlabelled images by the student's probabilities."""
    score = [view.aux[spec.name](out.logits_BKhw.detach().softmax(1)) for out in _outs(view, spec)]
    return (score[0] - 1).square().mean() + score[1].square().mean()


def _outs(view: StepView, spec: Auxiliary) -> list[Any]:
    return [view.labelled[spec.learner], view.outs["strong"][spec.learner]]


@pytest.fixture(autouse=True)
def tiny_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TERMS, "fools", fools)
    monkeypatch.setitem(TERMS, "decodes", decodes)
    critic = Kind(
        lambda shape, spec: nn.Sequential(nn.Conv2d(shape.classes, 4, 1), nn.Tanh(), nn.Conv2d(4, 1, 1)), judges
    )
    monkeypatch.setitem(KINDS, "tiny_critic", critic)
    decoder = Kind(
        lambda shape, spec: nn.Sequential(
            nn.BatchNorm2d(shape.high_channels), nn.Conv2d(shape.high_channels, shape.classes, 1)
        )
    )
    monkeypatch.setitem(KINDS, "tiny_decoder", decoder)


def with_both(plan: Plan) -> Plan:
    return replace(plan, auxiliaries=(CRITIC, DECODER), terms=(FOOLS, DECODES))


def engine_with(change: Callable[[Plan], Plan] = lambda plan: plan, **values: Any) -> Engine:
    return make_engine("mean_teacher", lambda plan: change(with_both(plan)), **values)


def weights(net: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()]).clone()


def beside(engine: Engine) -> dict[str, Tensor]:
    return {name: weights(net) for name, net in engine.beside.nets.items()}


def scaled(**by: float) -> Callable[[Plan], Plan]:
    """Other weights of the terms, by name; no route and no labelled loss."""

    def change(plan: Plan) -> Plan:
        terms = tuple(replace(term, weight=by.get(term.name, 0.0)) for term in plan.terms)
        return replace(plan, supervised_weight=0.0, routes=(), terms=terms)

    return change


def stepped(engine: Engine) -> tuple[set[str], dict[str, Tensor]]:
    """Who moves in a step, and the gradient steps of those beside."""
    before = {**parameters(engine), **beside(engine)}
    engine.step(make_batch(0))
    after = {**parameters(engine), **beside(engine)}
    return {name for name in before if not torch.equal(before[name], after[name])}, after


def test_who_moves_whom() -> None:
    """A term moves its learner and a network without a loss of its own; the critic moves by its own loss alone, whatever the
    term; the critic's loss moves no student."""
    plain: dict[str, Any] = {"weight_decay": 0.0, "dropout": 0.0}
    nothing, _ = stepped(engine_with(scaled(), **plain))
    assert nothing == {"critic"}
    fooling, after = stepped(engine_with(scaled(fools=1.0), **plain))
    assert fooling == {"critic", "s0", "t0"}
    _, still = stepped(engine_with(scaled(), **plain))
    assert torch.equal(after["critic"], still["critic"])
    decoding, after = stepped(engine_with(scaled(decodes=1.0), **plain))
    assert decoding == {"critic", "decoder", "s0", "t0"}
    assert torch.equal(after["critic"], still["critic"])


def test_a_judged_term_gives_the_critic_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the student learns from it the critic asks for none, and when its turn comes it has none and asks again."""
    during: list[bool] = []
    before_its_turn: list[tuple[bool, bool]] = []

    def watched(view: StepView, term: Term) -> Tensor:
        during.extend(p.requires_grad for p in view.aux["critic"].parameters())
        return fools(view, term)

    def first_look(view: StepView, spec: Auxiliary) -> Tensor:
        before_its_turn.extend((p.grad is None, p.requires_grad) for p in view.aux["critic"].parameters())
        return judges(view, spec)

    monkeypatch.setitem(TERMS, "fools", watched)
    monkeypatch.setitem(KINDS, "tiny_critic", replace(KINDS["tiny_critic"], loss=first_look))
    engine = engine_with()
    for t in range(2):
        engine.step(make_batch(t))
    assert set(during) == {False} and set(before_its_turn) == {(True, True)}
    assert all(p.requires_grad for p in engine.beside.nets["decoder"].parameters())


def test_the_student_moves_as_the_critic_says() -> None:
    """One plain step of SGD down the term's gradient, with the critic as it was at step start."""
    plain: dict[str, Any] = {"weight_decay": 0.0, "dropout": 0.0, "momentum": 0.0}
    engine = engine_with(scaled(fools=2.0), **plain)
    view = one_view(engine)
    student = copy.deepcopy(engine.students["s0"]).train()
    logits_BKhw = student(view.sights.image("strong", "s0")).logits_BKhw
    (-2 * view.aux["critic"](logits_BKhw.softmax(1)).mean()).backward()
    o = engine.config.optim
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if parameter.grad is not None:
                parameter -= o.lr * (1 if name.startswith("backbone.") else o.lr_head_factor) * parameter.grad
    again = engine_with(scaled(fools=2.0), **plain)
    start = weights(again.students["s0"])
    again.step(make_batch(0))
    assert not torch.equal(weights(again.students["s0"]), start)
    torch.testing.assert_close(weights(again.students["s0"]), weights(student), rtol=1e-5, atol=1e-7)


def test_the_critic_takes_adams_steps_on_its_own_loss() -> None:
    """By hand: Adam with betas 0.9 and 0.99 on the run's schedule, on what the student gave out before its update."""
    engine = engine_with(iterations=10)
    critic = copy.deepcopy(engine.beside.nets["critic"])
    adam = torch.optim.Adam(critic.parameters(), betas=(0.9, 0.99))
    learn = engine.beside.learn

    def watched(view: StepView, *, unlabelled: bool) -> Any:
        step = engine.iteration
        for group in adam.param_groups:
            group["lr"] = 0.01 * (1 - step / 10) ** 0.9
        judges(replace(view, aux={"critic": critic}), CRITIC).backward()
        adam.step()
        adam.zero_grad()
        return learn(view, unlabelled=unlabelled)

    engine.beside.learn = watched  # type: ignore[method-assign]
    for t in range(4):
        engine.step(make_batch(t))
        assert torch.equal(weights(critic), weights(engine.beside.nets["critic"])), t
    assert engine.meter.read()["critic/own"] > 0


def test_the_decoder_takes_adams_steps_on_its_terms_gradient() -> None:
    engine = engine_with(iterations=10)
    decoder = copy.deepcopy(engine.beside.nets["decoder"])
    adam = torch.optim.Adam(decoder.parameters(), betas=(0.9, 0.99))
    learn = engine.beside.learn

    def watched(view: StepView, *, unlabelled: bool) -> Any:
        for group in adam.param_groups:
            group["lr"] = 0.02 * (1 - engine.iteration / 10) ** 0.9
        for mine, theirs in zip(decoder.parameters(), engine.beside.nets["decoder"].parameters(), strict=True):
            assert theirs.grad is not None
            mine.grad = theirs.grad.clone()
        adam.step()
        return learn(view, unlabelled=unlabelled)

    engine.beside.learn = watched  # type: ignore[method-assign]
    for t in range(4):
        engine.step(make_batch(t))
        assert torch.equal(weights(decoder), weights(engine.beside.nets["decoder"])), t
        assert all(p.grad is None for p in engine.beside.nets["decoder"].parameters()), "gradients would pile up"


def test_a_terms_weight_scales_the_decoders_gradient() -> None:
    found = []
    for weight in (1.0, 3.0):
        engine = engine_with(scaled(decodes=weight), dropout=0.0)
        engine.beside.learn = lambda view, unlabelled, engine=engine: (
            found.append(  # type: ignore[method-assign, misc]
                torch.cat([p.grad.flatten() for p in engine.beside.nets["decoder"].parameters()])
            )
            or {}
        )
        engine.step(make_batch(0))
    torch.testing.assert_close(found[1], 3 * found[0])


def test_first_weights_are_of_the_seed_and_the_place_and_leave_the_callers_state_alone() -> None:
    before = torch.random.get_rng_state()
    shape, accelerator = Shape(3, 8, 5), make_accelerator("no", world=1)

    def first(seed: int, *specs: Auxiliary) -> list[Tensor]:
        plan = Plan(method="m", students=("s0",), auxiliaries=specs)
        return [weights(net) for net in Auxiliaries(plan, shape, accelerator, Group([0], 0), seed=seed).nets.values()]

    twin = replace(CRITIC, name="other")
    (one, other), (again, _) = first(0, CRITIC, twin), first(0, CRITIC, twin)
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert not torch.equal(one, first(1, CRITIC)[0])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_rates_follow_the_runs_schedule() -> None:
    engine = engine_with(iterations=10)
    for t, factor in ((0, 1.0), (5, 0.5**0.9), (9, 0.1**0.9)):
        engine.iteration = t
        engine.step(make_batch(t))
        rates = {name: optimiser.param_groups[0]["lr"] for name, optimiser in engine.beside.optimisers.items()}
        assert rates == pytest.approx({"critic": 0.01 * factor, "decoder": 0.02 * factor})


def test_they_rest_while_students_learn_from_labels_alone() -> None:
    def staged(plan: Plan) -> Plan:
        return replace(plan, stages=(Stage(share=0.5, labels_only=True), Stage(share=0.5)))

    for engine in (engine_with(staged, iterations=4), engine_with(iterations=4, warmup=0.5)):
        first = beside(engine)
        for t in range(2):
            engine.step(make_batch(t))
        assert all(torch.equal(value, first[name]) for name, value in beside(engine).items())
        engine.step(make_batch(2))
        assert not any(torch.equal(value, first[name]) for name, value in beside(engine).items())


@pytest.mark.parametrize("method", ["ecs", "gct", "pseudoseg"])
def test_what_learns_from_labelled_images_alone_learns_in_a_warmup_too(method: str) -> None:
    """Or an untrained corrector, detector or class head would have its say when the warm-up ends."""
    engine = make_engine(method, iterations=4, warmup=0.5)
    first = beside(engine)
    engine.step(make_batch(0))
    assert not engine.uses_unlabelled
    assert not any(torch.equal(value, first[name]) for name, value in beside(engine).items())


def test_a_warmup_does_not_use_a_ramp_up() -> None:
    seen: list[float] = []
    engine = engine_with(iterations=8, warmup=0.5)
    TERMS["fools"] = lambda view, term: (seen.append(view.progress), fools(view, term))[1]
    for t in range(6):
        engine.step(make_batch(t))
    assert seen == [0.0, 0.125]


def test_rule_20_two_steps_a_checkpoint_and_two_steps_are_four(tmp_path: Path) -> None:
    """Weights, buffers and both moments of Adam with their count of steps."""
    whole, first, second = engine_with(), engine_with(), engine_with()
    for t in range(4):
        whole.step(make_batch(t))
    for t in range(2):
        first.step(make_batch(t))
    first.save(tmp_path / "a", {})
    names = {path.name for path in (tmp_path / "a").glob("aux_*")}
    assert names == {f"aux_{name}{kind}.safetensors" for name in ("critic", "decoder") for kind in ("", ".optim")}
    second.load(tmp_path / "a")
    assert same_state(first, second)
    for t in range(2, 4):
        second.step(make_batch(t))
    assert same_state(whole, second)
    (entry, *_) = second.beside.optimisers["critic"].state_dict()["state"].values()
    assert float(entry["step"]) == 4 and float(entry["exp_avg_sq"].max()) > 0


def test_rule_17_two_workers_take_the_steps_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has half of the rows and the share of the losses that belongs to them: gradients are averaged, as DDP averages those
    of students whose losses count double."""
    rows = torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(0))

    def own(view: Any, spec: Auxiliary) -> Tensor:
        return view.aux[spec.name](view.rows).square().sum() / view.data.total(torch.tensor(float(len(view.rows))))

    monkeypatch.setitem(KINDS, "tiny_critic", replace(KINDS["tiny_critic"], loss=own))

    def learnt(made: Auxiliaries, data: Group, mine: Tensor) -> dict[str, Tensor]:
        for step in range(3):
            term = made.nets["decoder"](mine.repeat(1, 2, 1, 1)).square().sum() / data.total(torch.tensor(len(mine)))
            (term * data.size).backward()
            made.learn(SimpleNamespace(aux=made.nets, rows=mine + step, data=data), unlabelled=True)  # type: ignore[arg-type]
        means = {f"{name} mean": adam.state_dict()["state"][0]["exp_avg"] for name, adam in made.optimisers.items()}
        return {
            name: weights(net) for name, net in made.nets.items()
        } | means  # Adam forgives a gradient that is twice as long

    alone = learnt(made_for(Group([0], 0)), Group([0], 0), rows)
    waiting = [made_for(Group([0, 1], index)) for index in range(2)]  # their weights are drawn one after the other

    def work(half: Half) -> dict[str, Tensor]:
        waiting[half.index]._data = half
        return learnt(waiting[half.index], half, rows[half.index :: 2])

    halves = both(work)
    for name, value in alone.items():
        assert torch.equal(halves[0][name], halves[1][name])
        torch.testing.assert_close(halves[0][name], value, rtol=1e-5, atol=1e-7)
        assert float(value.abs().max()) > 1e-3


def made_for(data: Group, *specs: Auxiliary) -> Auxiliaries:
    """A critic and a decoder of 6 channels, whose BatchNorm does not look at the rows."""
    plan = Plan(method="m", students=("s0",), auxiliaries=specs or (CRITIC, DECODER))
    made = Auxiliaries(plan, Shape(3, 8, 6), make_accelerator("no", world=1), data, seed=0)
    made.nets["decoder"].eval()
    return made


def test_rule_18_running_statistics_are_the_mean_over_the_workers() -> None:
    waiting = [made_for(Group([0, 1], index), DECODER) for index in range(2)]

    def work(half: Half) -> list[float]:
        mine = waiting[half.index]
        mine._data, mean = half, mine.nets["decoder"].get_buffer("0.running_mean")
        mean.fill_(float(half.index))
        mine.learn(SimpleNamespace(), unlabelled=True)  # type: ignore[arg-type]
        found: list[float] = mean.tolist()
        return found

    assert both(work) == [[0.5] * 6] * 2
