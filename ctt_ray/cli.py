"""The one place of this package that reads command lines and turns mistakes into messages and exit codes.

Exit codes: 0 done · 2 usage or configuration · 3 data check failed · 4 environment or cluster check failed · 5 campaign finished
with failed trials, or a run that diverged · 75 interrupted, resumable · 130 Ctrl-C before anything was saved.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro
from pydantic import BaseModel

from ctt_ray.config import PROFILES, ConfigError, RunConfig, from_tree, nearest, with_values
from ctt_ray.plan import PlanError
from data_prep.schema import DataError
from data_prep.store.place import as_folder, is_url

DONE, USAGE, DATA, ENVIRONMENT, TRIALS_FAILED, RESUMABLE, CTRL_C = 0, 2, 3, 4, 5, 75, 130
Args = TypeVar("Args", bound=BaseModel)


class ClusterError(Exception):
    """The machine or the cluster cannot do what was asked."""


class HaltedError(Exception):
    """A campaign that must not go on before somebody has looked: its trials say that something is wrong."""


def parse(model: type[Args], argv: Sequence[str] | None, *, prog: str, description: str, **defaults: Any) -> Args:
    """`argv` → `model` by tyro: every field is a flag by its own name, groups show in the help. Exits 2 on a mistake."""
    return tyro.cli(
        model,
        prog=prog,
        description=description,
        args=argv,
        default=model(**defaults) if defaults else tyro.MISSING_NONPROP,
        config=(tyro.conf.OmitArgPrefixes,),
    )


def base_config(argv: Sequence[str]) -> RunConfig:
    """Defaults, then --profile, then --config: what the flags are laid over. Raises ConfigError."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config")
    first.add_argument("--profile", default="paper")
    known, _ = first.parse_known_args(argv)
    if known.profile not in PROFILES:
        raise ConfigError(
            f"unknown profile '{known.profile}'{nearest(known.profile, PROFILES)} Known: {', '.join(PROFILES)}"
        )
    config = with_values(RunConfig(), PROFILES[known.profile])
    return config if known.config is None else read_config(Path(known.config), config)


def read_config(path: Path, base: RunConfig | None = None) -> RunConfig:
    """A YAML file over `base`. Raises ConfigError for a missing file, bad YAML and unknown keys."""
    import yaml

    if not path.is_file():
        raise ConfigError(
            f"no configuration file {path}; `python -m ctt_ray.train --print-config > my.yaml` writes one"
        )
    try:
        tree = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} holds {type(tree).__name__}, not keys and values; see --print-config")
    try:
        return from_tree(_over((base or RunConfig()).model_dump(), tree))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _over(tree: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(tree)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _over(merged[key], value) if both else value
    return merged


def absolute(config: RunConfig) -> RunConfig:
    """Local paths made absolute: workers and trials run in folders of their own."""
    init = tuple(str(Path(name).resolve()) if Path(name).is_file() else name for name in config.net.init)
    data = config.data if not config.data or is_url(config.data) else str(as_folder(config.data).resolve())
    return with_values(config, {"data": data, "init": init})


def to_yaml(config: RunConfig) -> str:
    import yaml

    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def guarded(function: Callable[[], int]) -> int:
    """Run a command; a user's mistake becomes one message and its exit code, never a traceback."""
    from ctt_ray.train.session import Diverged, Interrupted

    codes = {ConfigError: USAGE, PlanError: USAGE, DataError: DATA, ClusterError: ENVIRONMENT, Interrupted: RESUMABLE}
    codes |= {HaltedError: TRIALS_FAILED, Diverged: TRIALS_FAILED}
    try:
        return function()
    except tuple(codes) as error:
        print(("" if isinstance(error, Interrupted) else "error: ") + str(error), file=sys.stderr, flush=True)
        return next(code for kind, code in codes.items() if isinstance(error, kind))
    except BrokenPipeError:  # `| head` has what it wanted; nothing more can be written, at exit neither
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        print("interrupted before anything was saved", file=sys.stderr, flush=True)
        return CTRL_C
