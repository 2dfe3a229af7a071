"""docs/equations.md names functions and tests that exist, and knows every public function of the room."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "equations.md").read_text()
FOLDERS = [ROOT / "tests" / "ctt_ray" / room for room in ("maths", "engine")]
TESTS = {path.name: path.read_text() for folder in FOLDERS for path in folder.glob("test_*.py")}


def test_every_named_function_exists() -> None:
    named = set(re.findall(r"`maths\.(\w+)\.(\w+)", TEXT))
    assert len(named) > 15
    for module, function in named:
        assert hasattr(importlib.import_module(f"ctt_ray.maths.{module}"), function), f"maths.{module}.{function}"


def test_every_named_test_exists() -> None:
    everything = "\n".join(TESTS.values())
    for name in set(re.findall(r"`(test_\w+)", TEXT)):
        assert f"{name}.py" in TESTS or f"def {name}" in everything, name


def test_every_function_that_computes_a_loss_or_a_bank_is_listed() -> None:
    for name in ("losses", "contrast", "bank", "ema"):
        module = importlib.import_module(f"ctt_ray.maths.{name}")
        plumbing = {"rows", "normalise", "compact"}
        for function, _ in inspect.getmembers(module, inspect.isfunction):
            if inspect.getmodule(getattr(module, function)) is module and not function.startswith("_"):
                assert function in plumbing or function in TEXT, f"{name}.{function} has no row in docs/equations.md"


def test_every_rule_of_the_table_has_a_test_in_the_file_it_names() -> None:
    for rules, files in re.findall(r"^\| ([\d, ]+) \|.*\| (.*) \|$", TEXT, flags=re.MULTILINE):
        for rule in re.findall(r"\d+", rules):
            for file in re.findall(r"test_\w+\.py", files):
                assert re.search(rf"(rule|and)_{int(rule):02d}_", TESTS[file]), f"rule {rule} in {file}"
