"""Python and packages against what pyproject.toml asks for and constraints.txt pins. Loads none of them."""

from __future__ import annotations

import platform
import sys
import tomllib
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

import ctt_ray
from ctt_ray.doctor.finding import Finding

SOURCE = Path(ctt_ray.__file__).resolve().parents[1]  # a clone, or site-packages
REMEDY = "pip install -e '.[report]' -c constraints.txt"
PYTHONS = ((3, 11), (3, 13))

Versions = Callable[[str], str | None]


def installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def python(version: tuple[int, int] | None = None) -> Finding:
    found = version or sys.version_info[:2]
    if not PYTHONS[0] <= found <= PYTHONS[1]:
        return Finding("fail", "python", f"{found[0]}.{found[1]} is not among 3.11, 3.12 and 3.13")
    return Finding("ok", "python", platform.python_version())


def required() -> list[Requirement]:
    """What this package asks for, extras aside."""
    try:
        texts = metadata.requires("ctt-ray") or []
    except metadata.PackageNotFoundError:
        texts = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]["dependencies"]
    return [each for each in map(Requirement, texts) if each.marker is None or each.marker.evaluate({"extra": ""})]


def pins() -> dict[str, str]:
    """The tested versions, where constraints.txt is beside the package."""
    path = SOURCE / "constraints.txt"
    lines = path.read_text().splitlines() if path.is_file() else []
    return {name: version for name, _, version in (line.partition("==") for line in lines) if version}


def ranges(wanted: Iterable[Requirement], version: Versions = installed) -> Finding:
    """Every requirement is there, in its range."""
    wrong = []
    for each in wanted:
        found = version(each.name)
        if found is None:
            wrong.append(f"{each.name} is missing")
        elif not each.specifier.contains(found, prereleases=True):
            wrong.append(f"{each.name} {found} is not {each.specifier}")
    if wrong:
        return Finding("fail", "packages", f"{'; '.join(wrong)}: {REMEDY}")
    return Finding("ok", "packages", "all there, in their ranges")


def tested(pinned: dict[str, str], wanted: Iterable[Requirement], version: Versions = installed) -> Finding:
    """The required ones are those that the tests ran with; a local build such as 2.13.0+cpu counts as its version."""
    names = [each.name for each in wanted if each.name in pinned]
    found = {name: version(name) for name in names}
    differ = [
        f"{name} {has} (tested: {pinned[name]})"
        for name, has in found.items()
        if has is not None and Version(has).public != pinned[name]
    ]
    if differ:
        return Finding("warn", "tested set", f"{', '.join(differ)}: {REMEDY}")
    return Finding("ok", "tested set", f"{len(names)} packages as in constraints.txt" if names else "not known here")


def extras(wanted: Iterable[Requirement], version: Versions = installed) -> Finding:
    """ray[default,train,tune] is whole: a plain `pip install ray` has no dashboard, and without its State API a killed
    trial's workers keep what they had reserved."""
    ray = next(each for each in wanted if each.name == "ray")
    missing = sorted({name for extra in ray.extras for name in needed("ray", extra) if version(name) is None})
    if missing:
        return Finding("fail", "ray extras", f"{', '.join(missing)} missing: pip install '{ray}'")
    return Finding("ok", "ray extras", f"ray[{','.join(sorted(ray.extras))}] is whole")


def needed(package: str, extra: str) -> list[str]:
    """Names of what an installed package's extra asks for on this machine; none where it is not installed."""
    if installed(package) is None:
        return []
    every = map(Requirement, metadata.requires(package) or [])
    return [each.name for each in every if each.marker is not None and each.marker.evaluate({"extra": extra})]
