"""Every space keeps its promises: points inside, names that configuration and method know, the paper first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from ctt_ray import methods
from ctt_ray.config import RunConfig, leaves, with_values
from tune_spaces import NAMES, RECIPES, Fidelity, Space, SpaceError, load, scaled_down
from tune_spaces.__main__ import describe, main
from tune_spaces.paper import DEFAULTS

# The search ranges, typed again here.
RANGES = {
    "lambda_ct": (0.01, 10, True),
    "lambda_hc": (0.01, 10, True),
    "lambda_lc": (0.01, 10, True),
    "tau_hc": (0.05, 1, True),
    "tau_lc": (0.05, 1, True),
    "phi": (0.5, 0.99, False),
    "ema_step": (0.0005, 0.05, True),
    "lr": (1e-4, 1e-2, True),
}
NINE = {"lambda_ct", "lambda_hc", "lambda_lc", "tau_hc", "tau_lc", "phi", "n_q", "ema_decay", "lr"}


@pytest.fixture(params=NAMES)
def space(request: pytest.FixtureRequest) -> Space:
    return load(request.param)


def test_every_point_makes_a_configuration_and_a_plan(space: Space) -> None:
    assert space.points
    for point in space.points:
        config = with_values(RunConfig(), {**space.base, **space.values(point)})
        methods.build(config.method, config.params.model_dump())


def method_of(space: Space, values: dict[str, object]) -> str:
    return str({**space.base, **values}["method"])


def searched(space: Space, values: dict[str, object]) -> set[str]:
    """Without the method, and without the mixer that comes with it."""
    return set(values) - ({"method", "mixer"} if space.name == "methods" else set())


def test_the_nine_are_searched_and_each_is_a_leaf_that_the_method_reads(space: Space) -> None:
    """Of the nine each method gets those that it reads; the space of methods has a few more."""
    for point in space.points:
        values = space.values(point)
        read = {"lr", *methods.parameters(method_of(space, values))}
        assert searched(space, values) & NINE == NINE & read
        assert searched(space, values) <= (
            (NINE | {"ct_threshold", "keep_share"}) & read if space.name == "methods" else NINE
        )
        assert set(values) <= set(leaves())
    assert searched(space, space.values(space.points[0])) == NINE


def test_the_first_point_of_each_method_is_what_the_method_does_unasked() -> None:
    space = load("methods")
    seen = set()
    for point in space.points:
        values = {name: value for name, value in space.values(point).items() if name not in ("method", "lr")}
        name = str(point["method"])
        config = with_values(RunConfig(method=name), values)
        own = methods.build(name, {"mixer": values.get("mixer")})
        assert methods.build(name, config.params.model_dump()) == own
        seen.add((name, point["lr"]))
    assert len(seen) == len(space.points)


def test_each_searched_value_changes_the_configuration(space: Space) -> None:
    base = with_values(RunConfig(), space.base)
    seen = set()
    for point in space.points:
        values = space.values(point)
        plain = with_values(base, values).hash()
        drawn = next(
            drawn
            for drawn in (_draw(space, seed) for seed in range(60))
            if method_of(space, drawn) == method_of(space, values)
            and all(drawn[name] != values[name] for name in searched(space, values))
        )
        assert set(drawn) == set(values)
        for name in searched(space, values):
            assert with_values(base, {**values, name: drawn[name]}).hash() != plain, name
        seen.add(method_of(space, values))
    assert len({with_values(base, {"method": name}).hash() for name in seen}) == len(seen)


def test_draws_stay_valid_and_their_parameters_give_the_same_values_again(space: Space) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        trial = study.ask()
        values = space.suggest(trial)
        assert space.values(trial.params) == values
        with_values(RunConfig(), {**space.base, **values})


def test_the_ladder_has_rungs_that_a_run_reports_at(space: Space) -> None:
    iterations = int(space.base["iterations"])
    every = space.fidelity.report_every(iterations)
    rungs = space.fidelity.rungs(iterations, every)
    assert rungs and all(rung % every == 0 and rung < iterations for rung in rungs)
    assert iterations % every == 0


def test_the_table_names_every_parameter(space: Space) -> None:
    text = describe(space)
    for axis in space.axes():
        assert axis.name in text


@pytest.mark.parametrize("name", ["voc", "cityscapes", "camvid"])
def test_ranges_and_first_point_are_the_papers(name: str) -> None:
    space = load(name)
    axes = {axis.name: axis for axis in space.axes()}
    assert {n: (axes[n].low, axes[n].high, axes[n].log) for n in RANGES} == RANGES
    assert axes["n_q"].choices == (32, 64, 128, 256, 512)
    plain = RunConfig()
    first = with_values(plain, space.values(space.points[0]))
    plans = [methods.build("ctt", config.params.model_dump()) for config in (first, plain)]
    assert plans[0] == plans[1] and first.optim == plain.optim  # the defaults are the paper's
    assert space.points[0] == DEFAULTS


def test_a_rehearsal_keeps_the_search_and_takes_size_and_data_of_the_demo() -> None:
    voc, demo = load("voc"), load("demo")
    small = scaled_down(voc)
    assert (small.name, small.points, small.suggest) == (voc.name, voc.points, voc.suggest)
    assert (small.fidelity, small.trials) == (demo.fidelity, demo.trials) and {**voc.base, **demo.base} == small.base


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(SpaceError, match="did you mean 'cityscapes'"):
        load("cityscape")


def test_a_space_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "'''Mine.'''\nNAME = 'mine'\nBASE = {'iterations': 10}\nPOINTS = ({'x': 0.5},)\nFIDELITY = {'reports': 2}\nTRIALS = 3\n"
        "def suggest(trial):\n    return {'lr': trial.suggest_float('x', 0.1, 1.0)}\n"
    )
    space = load(str(path))
    assert (space.name, space.about, space.trials) == ("mine", "Mine.", 3)
    assert space.values(space.points[0]) == {"lr": 0.5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("POINTS = ({'x': 5.0},)", r"POINTS\[0\]: parameter 'x' is 5, outside 0.1"),
        ("POINTS = ({},)", "parameter 'x' is missing"),
        ("del NAME", "a space has NAME, BASE"),
        ("FIDELITY = {'reports': 2, 'grace': 3}", "use reports >= grace"),
        ("FIDELITY = {'rungs': 2}", "rungs"),
        ("raise RuntimeError('boom')", "RuntimeError: boom"),
    ],
)
def test_a_broken_space_says_what_is_wrong(tmp_path: Path, change: str, message: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "NAME = 'mine'\nBASE = {'iterations': 10}\nPOINTS = ({'x': 0.5},)\nFIDELITY = {'reports': 2}\nTRIALS = 3\n"
        "def suggest(trial):\n    return {'lr': trial.suggest_float('x', 0.1, 1.0)}\n" + change
    )
    with pytest.raises(SpaceError, match=message):
        load(str(path))


@pytest.mark.parametrize(
    ("reports", "grace", "reduction", "iterations", "rungs"),
    [
        (16, 1, 4, 80_000, [5_000, 20_000]),
        (16, 1, 2, 160, [10, 20, 40, 80]),
        (4, 2, 3, 100, [50]),
        (1, 1, 2, 10, []),
    ],
)
def test_rungs(reports: int, grace: int, reduction: int, iterations: int, rungs: list[int]) -> None:
    ladder = Fidelity(reports, grace, reduction)
    assert ladder.rungs(iterations, ladder.report_every(iterations)) == rungs


def test_the_command_prints_or_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["voc"]) == 0
    assert "lambda_ct" in capsys.readouterr().out
    assert main([]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [*NAMES, *RECIPES]
    assert main(["vco"]) == 2
    assert "did you mean 'voc'" in capsys.readouterr().err


def test_spaces_import_the_standard_library_alone() -> None:
    code = (
        "import sys, tune_spaces\n"
        "for name in tune_spaces.NAMES: tune_spaces.load(name)\n"
        "heavy = ('ray', 'optuna', 'torch', 'ctt_ray', 'pydantic', 'numpy')\n"
        "print([m for m in sys.modules if m.split('.')[0] in heavy])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _draw(space: Space, seed: int) -> dict[str, object]:
    return space.suggest(optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask())
