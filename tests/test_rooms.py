"""Arrows point one way: who may import whom (docs/flow.md), as a walk over every import, those inside functions too."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("ctt_ray", "data_prep", "tune_spaces")
HEAVY = {"torch", "torchvision", "ray", "optuna", "accelerate", "datasets", "pandas", "cv2", "pyarrow", "matplotlib"}


def ours(*rooms: str) -> tuple[str, ...]:
    return tuple(f"ctt_ray.{room}" for room in rooms)


# room → what its files must never import (prefixes of dotted names)
FORBIDDEN = {
    "data_prep": ("torch", "torchvision", "ray", "ctt_ray", "tune_spaces", "accelerate", "optuna"),
    "tune_spaces": ("torch", "ray", "optuna", "ctt_ray", "data_prep"),
    "ctt_ray/config.py": ("torch", "ray", "optuna", "ctt_ray", "data_prep", "numpy"),
    "ctt_ray/vocabulary.py": ("torch", "ray", "optuna", "ctt_ray", "data_prep", "pydantic", "numpy"),
    "ctt_ray/plan.py": ("torch", "ray", "optuna", "data_prep", "pydantic", "numpy", *ours("config", "engine", "methods", "nets")),
    "ctt_ray/batch.py": ("ray", "optuna", "ctt_ray", "accelerate"),
    "ctt_ray/methods": ("torch", "ray", "optuna", "ctt_ray.config", "ctt_ray.engine", "ctt_ray.maths", "ctt_ray.nets"),
    "ctt_ray/maths": ("ray", "optuna", "accelerate", "torchvision", *ours("plan", "config", "engine", "nets", "stream")),
    "ctt_ray/nets": ("ray", "optuna", "accelerate", *ours("plan", "config", "engine", "stream")),
    "ctt_ray/stream": ("ray", "optuna", *ours("engine", "train", "tune", "plan", "config", "nets")),
    "ctt_ray/engine": ("ray", "optuna", "data_prep", *ours("stream", "methods", "train", "tune")),
    "ctt_ray/train": ("torch", "optuna", "ray.tune", "tune_spaces", *ours("tune", "maths.contrast", "maths.bank")),
    "ctt_ray/tune": ("torch", *ours("engine", "maths", "nets", "stream")),
    "ctt_ray/checkpoints.py": ("torch", "ray", "optuna", *ours("engine", "maths", "nets", "stream")),
    "ctt_ray/restored.py": ("ray", "optuna", "accelerate", *ours("stream", "tune")),
    "ctt_ray/evaluate": ("ray", "optuna", "accelerate", *ours("tune", "train.launch", "train.worker")),
    "ctt_ray/predict": ("ray", "optuna", "accelerate", *ours("tune", "train.launch", "train.worker")),
    "ctt_ray/deploy": ("torch", "ray", "optuna", "accelerate", *ours("engine", "maths", "nets", "stream", "train", "tune")),
    "ctt_ray/doctor": ("optuna", "accelerate", *ours("engine", "stream", "train.launch", "train.worker", "tune.campaign")),
    "ctt_ray/report": ("torch", "ray", "accelerate", *ours("engine", "maths", "nets", "stream", "tune.campaign")),
}  # fmt: skip


def files(room: str) -> list[Path]:
    place = ROOT / room
    return [place] if place.suffix == ".py" else sorted(place.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Dotted names of everything a file imports, `from a import b` as both a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full name"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def starts_with(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


@pytest.mark.parametrize("room", FORBIDDEN)
def test_room_keeps_its_walls(room: str) -> None:
    assert files(room), f"{room} has no files; was it renamed?"
    for path in files(room):
        for name in imports(path):
            for wall in FORBIDDEN[room]:
                assert not starts_with(name, wall), (
                    f"{path.relative_to(ROOT)} imports {name}; {room} stays away from {wall}"
                )


def test_no_file_knows_both_ray_and_torch() -> None:
    for package in OURS:
        for path in files(package):
            top = {name.partition(".")[0] for name in imports(path)}
            assert not {"ray", "torch"} <= top, f"{path.relative_to(ROOT)} imports both ray and torch"


def test_the_walk_sees_imports_inside_functions(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("def f():\n    from ray import tune\n    import torch.nn as nn\n")
    assert imports(path) == {"ray", "ray.tune", "torch.nn"}


@pytest.mark.parametrize(
    "module",
    [
        "ctt_ray",
        "ctt_ray.config",
        "ctt_ray.methods",
        "ctt_ray.cli",
        "ctt_ray.checkpoints",
        "ctt_ray.train.__main__",
        "ctt_ray.evaluate.__main__",
        "ctt_ray.predict.__main__",
        "ctt_ray.report.__main__",
        "ctt_ray.deploy.targets",
        "ctt_ray.doctor.__main__",
        "ctt_ray.tune.verbs",
        "tune_spaces",
    ],
)
def test_light_modules_load_nothing_heavy(module: str) -> None:
    """What every `--help` imports stays free of the heavy libraries; counted, not timed."""
    code = f"import {module}, sys; print(sorted({HEAVY!r} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout.strip() == "[]", f"import {module} loads {out.stdout.strip()}"


def test_a_report_loads_neither_ray_nor_torch() -> None:
    """Through other rooms either: it is made where there is only the folder."""
    code = "import ctt_ray.report.page, ctt_ray.report.run, sys; print(sorted({'ray', 'torch'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout.strip() == "[]"
