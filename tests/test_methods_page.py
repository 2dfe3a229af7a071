"""docs/methods.md says what is there, and its examples work: tables against METHODS, code blocks against the promises."""

import inspect
import re
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import conformance.test_every_method as promises
import pytest

from ctt_ray import methods
from ctt_ray.engine import auxiliaries, terms
from ctt_ray.plan import PlanError
from ctt_ray.train.__main__ import main
from tune_spaces import load

PAGE = (Path(__file__).parents[1] / "docs" / "methods.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
TABLES = [
    dict(line.strip("| ").split(" | ", 1) for line in table.splitlines())
    for table in re.findall(r"(?:^\| `[a-z].*\n)+", PAGE, re.MULTILINE)
    if table.startswith("| `supervised`")
]
PROMISES = [
    function
    for name, function in vars(promises).items()
    if name.startswith("test_") and {"variant", "method"} & set(inspect.signature(function).parameters)
]


def block(text: str) -> str:
    (found,) = [each for each in BLOCKS if text in each]
    return str(found)


def example(text: str) -> types.ModuleType:
    """The code block of the page that contains `text`, run as a module."""
    module = types.ModuleType("example")
    exec(compile(block(text), "docs/methods.md", "exec"), module.__dict__)
    return module


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> str:
    """The page's method, in METHODS while the test runs."""
    monkeypatch.setitem(methods.METHODS, "ring", example('method="ring"').plan)
    monkeypatch.setitem(promises.VARIANTS, "ring", {"pairs": 3})
    return "ring"


@pytest.fixture
def deep(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The page's method with a term and a network beside, likewise."""
    plan = example('method="deep"').plan
    monkeypatch.setitem(methods.METHODS, "deep", plan)
    monkeypatch.setitem(promises.VARIANTS, "deep", {})
    yield "deep"
    del terms.TERMS["deep_supervision"], auxiliaries.KINDS["classifier"]


def test_the_three_tables_have_every_method_and_no_other() -> None:
    assert len(TABLES) == 3
    for table in TABLES:
        missing = {f"`{name}`" for name in methods.METHODS} ^ set(table)
        assert not missing, f"give {missing} a row in each table of docs/methods.md, or take it out"


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:.3g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize("method", methods.METHODS)
def test_the_page_names_networks_and_parameters_as_they_are(method: str) -> None:
    about, reads, _ = (table[f"`{method}`"] for table in TABLES)
    plan, own = methods.build(method, {}), methods.settled(method, {})
    beside = ", ".join(aux.kind.replace("_", " ") for aux in plan.auxiliaries) or "–"
    assert f"| {len(plan.students)} + {len(plan.teachers)} | {beside} |" in f"| {about} |"
    wanted = " · ".join(f"`{name}` {_shown(value)}" for name, value in own.items())
    assert reads == wanted, f"the row of docs/methods.md should read: | `{method}` | {wanted} |"


def test_the_printed_plan_is_the_real_one(capsys: pytest.CaptureFixture[str]) -> None:
    (command, printed), *more = re.findall(
        r"^```text\n\$ python -m ctt_ray\.train (.*?)\n(.*?)^```$", PAGE, re.M | re.S
    )
    assert not more and main(command.split()) == 0
    assert capsys.readouterr().out == printed


def test_the_space_of_the_page_is_one(tmp_path: Path) -> None:
    (tmp_path / "rounds.py").write_text(block('NAME, TRIALS = "rounds"'))
    space = load(str(tmp_path / "rounds.py"))
    assert {str(space.values(point)["method"]) for point in space.points} == {"supervised", "dst_cbc"}


def test_the_ring_labels_the_next_and_is_as_short_as_the_page_says(
    ring: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert methods.build(ring, {"pairs": 3}).label_matrix() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert len(block('method="ring"').splitlines()) <= 40
    with pytest.raises(PlanError, match="two pairs"):
        methods.build(ring, {"pairs": 1})
    assert main(["--method", ring, "--pairs", "3", "--show-plan"]) == 0
    assert "s1 <- t0" in capsys.readouterr().out


@pytest.mark.parametrize("example_method", ["ring", "deep"])
@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__.removeprefix("test_"))
def test_the_examples_keep_every_promise(
    promise: Callable[..., None], example_method: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    name = request.getfixturevalue(example_method)
    given: dict[str, Any] = {"variant": name, "method": name, "tmp_path": tmp_path}
    promise(**{key: given[key] for key in inspect.signature(promise).parameters})


def test_promises_are_found() -> None:
    assert len(PROMISES) >= 13
