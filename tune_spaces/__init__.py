"""Search spaces: one space = one file with NAME, BASE, suggest(trial), POINTS, FIDELITY and TRIALS.

To add one, write the file and its name in NAMES. `load` takes a name or a path to such a file; `python -m tune_spaces
voc` prints one. Imports nothing but the standard library: a space can be read anywhere.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from tune_spaces.axis import Axis
from tune_spaces.space import Fidelity, Space, SpaceError, Trial

__all__ = ["NAMES", "Axis", "Fidelity", "Space", "SpaceError", "Trial", "load", "scaled_down"]

NAMES = ("voc", "cityscapes", "camvid", "methods", "demo")


def load(name: str) -> Space:
    """The space of that name or of that Python file. Raises SpaceError, naming the nearest one, where there is none."""
    module = _from_file(Path(name)) if name.endswith(".py") else _from_name(name)
    try:
        space = Space(
            name=module.NAME,
            about=" ".join((module.__doc__ or "").split()),
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


def scaled_down(space: Space) -> Space:
    """The same search on the demo's data, network and run length: what a rehearsal runs."""
    small = load("demo")
    return replace(space, base={**space.base, **small.base}, fidelity=small.fidelity, trials=small.trials)


def _from_name(name: str) -> ModuleType:
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f", did you mean '{near[0]}'?" if near else ""
        raise SpaceError(f"unknown space '{name}'{hint} Known: {', '.join(NAMES)}, or the path of a space file (.py)")
    return importlib.import_module(f"tune_spaces.{name}")


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
