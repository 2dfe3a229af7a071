"""One method is one short file that names its source, and is in the table."""

import ast
import re
from pathlib import Path

import pytest

from ctt_ray import methods

FOLDER = Path(methods.__file__).parent
SHARED = {"__init__", "pairs", "rounds"}  # the table, and what methods with pairs or in rounds share
FILES = sorted(path for path in FOLDER.glob("*.py") if path.stem not in SHARED)
SOURCE = re.compile(r"arXiv|CVPR|ICCV|ECCV|the CTT paper")
LINES = 45  # of code: "about forty"
LONG = {"ctt": "every switch between the paper's text and its released code is a parameter, a line each"}


def docstrings(tree: ast.Module) -> list[ast.stmt]:
    """The docstrings of a file and of its functions."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.FunctionDef)]
    return [node.body[0] for node in nodes if ast.get_docstring(node) is not None]


def test_every_file_is_in_the_table_under_its_name() -> None:
    assert {path.stem for path in FILES} == set(methods.METHODS)
    for name, function in methods.METHODS.items():
        assert function.__module__ == f"ctt_ray.methods.{name}"
        assert function().method == name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_method_names_its_source_and_is_short(path: Path) -> None:
    text = path.read_text()
    told = docstrings(ast.parse(text))
    assert len(told) >= 2, "a line about the method on top of the file, and a docstring of `plan`"
    words = "\n".join(ast.get_source_segment(text, each) or "" for each in told)
    assert SOURCE.search(words), "name the paper: authors, venue, arXiv number"
    outside = {number for each in told for number in range(each.lineno, (each.end_lineno or each.lineno) + 1)}
    code = [line for number, line in enumerate(text.splitlines(), 1) if line.strip() and number not in outside]
    assert (len(code) > LINES) == (path.stem in LONG), f"{len(code)} lines of code, {LINES} are allowed"
