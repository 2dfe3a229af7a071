"""A checkpoint: everything that remembers, in files named after networks, so that any layout can read it.

FOLDER/NAME.safetensors          a file a network, students and teachers
FOLDER/NAME.optim.safetensors    a student's optimiser, entries named PARAMETER.STATE
FOLDER/bank_NAME.safetensors     a bank: rows, head, fill
FOLDER/aux_NAME.safetensors      a network beside the students, and aux_NAME.optim.safetensors
FOLDER/shares.safetensors        histograms of confidence, where a route's gate is by share of a class
FOLDER/state.json                iteration, gate, plan and configuration with their hashes, and the caller's extra
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ctt_ray.config import ConfigError, RunConfig
from ctt_ray.plan import Plan

if TYPE_CHECKING:
    from ctt_ray.engine.step import Engine

STATE = "state.json"
FORMAT = 2


def save(engine: Engine, folder: Path, extra: Mapping[str, Any]) -> None:
    """This worker's networks; what all workers hold alike is written by the first. `Engine.writes` tells who is to call it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, net in engine.networks.items():
        save_file(_plain(net.state_dict()), folder / f"{name}.safetensors")
    for name, student in engine.students.items():
        save_file(_plain(_optimiser_state(student, engine.optimisers[name])), folder / f"{name}.optim.safetensors")
    if engine.world.rank > 0:
        return
    for name, bank in engine.banks.by_teacher.items():
        save_file(_plain(bank.state_dict()), folder / f"bank_{name}.safetensors")
    for name, net in engine.beside.nets.items():
        save_file(_plain(net.state_dict()), folder / f"aux_{name}.safetensors")
        save_file(
            _plain(_optimiser_state(net, engine.beside.optimisers[name])), folder / f"aux_{name}.optim.safetensors"
        )
    if engine.shares.sources:
        save_file(_plain(engine.shares.state_dict()), folder / "shares.safetensors")
    content = {
        "format": FORMAT,
        "iteration": engine.iteration,
        "gate_opened_at": engine.banks.opened_at,
        "classes": engine.classes,
        "plan": engine.plan.to_dict(),
        "plan_hash": engine.plan.hash(),
        "config": engine.config.model_dump(mode="json"),
        "config_hash": engine.config.hash(),
        "extra": dict(extra),
    }
    (folder / STATE).write_text(json.dumps(content, indent=1) + "\n")


def read(folder: Path) -> dict[str, Any]:
    """state.json of a checkpoint folder. Raises ConfigError where there is none."""
    path = folder / STATE
    if not path.is_file():
        raise ConfigError(
            f"{folder} holds no {STATE}: not a checkpoint. Name a run's folder or one of its checkpoints."
        )
    content: dict[str, Any] = json.loads(path.read_text())
    if content.get("format") != FORMAT:
        raise ConfigError(f"{path} has format {content.get('format')}, this release reads {FORMAT}")
    return content


def load(engine: Engine, folder: Path) -> dict[str, Any]:
    content = read(folder)
    if content["plan_hash"] != engine.plan.hash():
        raise ConfigError(_difference(engine.plan, content["plan"], folder))
    if content["classes"] != engine.classes:
        raise ConfigError(f"{folder} was trained with {content['classes']} classes, the data set has {engine.classes}")
    for name, net in engine.networks.items():
        net.load_state_dict(load_file(folder / f"{name}.safetensors"))
    for name, student in engine.students.items():
        _restore_optimiser(student, engine.optimisers[name], load_file(folder / f"{name}.optim.safetensors"))
    for name, bank in engine.banks.by_teacher.items():
        bank.load_state_dict(load_file(folder / f"bank_{name}.safetensors"))
    for name, net in engine.beside.nets.items():
        net.load_state_dict(load_file(folder / f"aux_{name}.safetensors"))
        _restore_optimiser(net, engine.beside.optimisers[name], load_file(folder / f"aux_{name}.optim.safetensors"))
    if engine.shares.sources:
        engine.shares.load_state_dict(load_file(folder / "shares.safetensors"))
    engine.iteration = content["iteration"]
    engine.banks.opened_at = content["gate_opened_at"]
    extra: dict[str, Any] = content["extra"]
    return extra


def load_network(net: nn.Module, folder: Path, name: str) -> None:
    """One network of a checkpoint, for evaluation and prediction. Raises ConfigError naming those there are."""
    path = folder / f"{name}.safetensors"
    if not path.is_file():
        plan = read(folder)["plan"]
        raise ConfigError(f"no network '{name}' in {folder}; it has {', '.join(plan['students'] + plan['teachers'])}")
    net.load_state_dict(load_file(path))


def config_of(content: Mapping[str, Any]) -> tuple[RunConfig, Plan]:
    return RunConfig.model_validate(content["config"]), Plan.from_dict(content["plan"])


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies on the host: safetensors refuses shared storage and other memory formats."""
    return {key: value.detach().to("cpu", copy=True).contiguous() for key, value in tensors.items()}


def _parameter_names(student: nn.Module, optimiser: Any) -> dict[int, str]:
    """Position in the optimiser → the parameter's name."""
    names = {id(parameter): name for name, parameter in student.named_parameters()}
    flat = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    return {index: names[id(parameter)] for index, parameter in enumerate(flat)}


def _optimiser_state(student: nn.Module, optimiser: Any) -> dict[str, Tensor]:
    names = _parameter_names(student, optimiser)
    entries = optimiser.state_dict()["state"]
    return {
        f"{names[i]}.{key}": value
        for i, entry in entries.items()
        for key, value in entry.items()
        if torch.is_tensor(value)
    }


def _restore_optimiser(student: nn.Module, optimiser: Any, saved: Mapping[str, Tensor]) -> None:
    whole = optimiser.state_dict()
    whole["state"] = {}
    for index, name in _parameter_names(student, optimiser).items():
        entry = {key.removeprefix(f"{name}."): value for key, value in saved.items() if key.rpartition(".")[0] == name}
        if entry:
            whole["state"][index] = entry
    optimiser.load_state_dict(whole)


def _difference(plan: Plan, saved: Mapping[str, Any], folder: Path) -> str:
    ours = plan.to_dict()
    changed = [key for key in ours if ours[key] != saved.get(key)]
    return (
        f"{folder} was written by another plan: {', '.join(changed)} differ "
        f"(method '{saved['method']}' there, '{plan.method}' here). "
        "Use the run's own configuration, or a new --name."
    )
