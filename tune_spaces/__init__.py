"""Search spaces: one space = one file with NAME, BASE, suggest(trial), POINTS, FIDELITY and TRIALS.

A published table is one too: a file in recipes/ with NAME and RECIPE (recipe.py), called recipes/NAME. To add one, write
the file and its name in NAMES or RECIPES. `load` takes a name or a path to such a file; `python -m tune_spaces voc` prints
one. Imports nothing but the standard library: a space can be read anywhere.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from tune_spaces.axis import Axis
from tune_spaces.recipe import Recipe
from tune_spaces.space import Fidelity, Space, SpaceError, Trial

__all__ = ["NAMES", "RECIPES", "Axis", "Fidelity", "Space", "SpaceError", "Trial", "load", "scaled_down"]

NAMES = ("voc", "cityscapes", "camvid", "methods", "demo")
RECIPES = tuple(f"recipes/{name}" for name in (*(f"table{n}" for n in range(1, 10)), "gta_seg", "gta_seg_cityscapes"))


def load(name: str) -> Space:
    """The space of that name or of that Python file. Raises SpaceError, naming the nearest one, where there is none."""
    module = _from_file(Path(name)) if name.endswith(".py") else _from_name(name)
    about = " ".join((module.__doc__ or "").split())
    if hasattr(module, "RECIPE"):
        return _recipe(name, module, about)
    try:
        space = Space(
            name=module.NAME,
            about=about,
            base=dict(module.BASE),
            suggest=module.suggest,
            points=tuple(dict(point) for point in module.POINTS),
            fidelity=Fidelity(**module.FIDELITY),
            trials=module.TRIALS,
        )
    except AttributeError as error:
        raise SpaceError(
            f"space '{name}': {error}; a space has NAME, BASE, suggest(trial), POINTS, FIDELITY, TRIALS"
        ) from None
    except TypeError as error:
        raise SpaceError(f"space '{name}': {error}; see tune_spaces/demo.py") from None
    for number, point in enumerate(space.points):
        try:
            space.values(point)
        except SpaceError as error:
            raise SpaceError(f"space '{name}', POINTS[{number}]: {error}") from None
    return space


def _recipe(name: str, module: ModuleType, about: str) -> Space:
    if not isinstance(module.RECIPE, Recipe) or not isinstance(getattr(module, "NAME", None), str):
        raise SpaceError(
            f"recipe '{name}': it has NAME, a text, and RECIPE, a Recipe; see tune_spaces/recipes/table9.py"
        )
    return module.RECIPE.space(module.NAME, about)


def scaled_down(space: Space) -> Space:
    """The same search on the demo's data, network and run length: what a rehearsal runs."""
    small = load("demo")
    return replace(space, base={**space.base, **small.base}, fidelity=small.fidelity, trials=small.trials)


def _from_name(name: str) -> ModuleType:
    known = (*NAMES, *RECIPES)
    if name not in known:
        near = [each for each in RECIPES if each.endswith(f"/{name}")] or difflib.get_close_matches(name, known, n=1)
        hint = f", did you mean '{near[0]}'?" if near else ""
        raise SpaceError(f"unknown space '{name}'{hint} Known: {', '.join(known)}, or the path of a space file (.py)")
    return importlib.import_module(f"tune_spaces.{name.replace('/', '.')}")


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise SpaceError(f"no space file {path}; the built-in spaces are {', '.join(NAMES)}")
    spec = importlib.util.spec_from_file_location(f"space_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SpaceError(f"{path} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise SpaceError(f"{path}: {type(error).__name__}: {error}") from error
    return module
