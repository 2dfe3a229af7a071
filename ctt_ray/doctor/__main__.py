"""python -m ctt_ray.doctor: what is wrong here, one line each; and cluster files rendered from a profile."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from pydantic import Field

from ctt_ray import cli
from ctt_ray.config import Frozen
from ctt_ray.deploy.targets import Target

if TYPE_CHECKING:
    from ctt_ray.doctor.finding import Finding

DESCRIPTION = """Check packages, GPUs, other Ray clusters, storage and data, one line each; exit code 4 if a check fails.

examples
  python -m ctt_ray.doctor
  python -m ctt_ray.doctor --storage /mnt/ctt/campaigns --data /mnt/ctt/data/voc
  python -m ctt_ray.doctor --address local
  python -m ctt_ray.doctor --address auto --machines 4 --storage /mnt/ctt/campaigns
  python -m ctt_ray.doctor --render rayjob --profile deploy/profile.yaml > rayjob.yaml"""


class DoctorArgs(Frozen):
    storage: str = "campaigns"
    """Folder for campaigns and runs; a small one is made in it, or above it, and removed."""
    data: str = ""
    """Prepared data set: its manifest and every shard's size; of a URL also one shard's speed, and the cache."""
    address: str = ""
    """Ray cluster to join and to look at from each of its machines; local starts a small one here."""
    machines: int = Field(0, ge=0)
    """Wait up to 15 minutes until so many machines of the cluster can train; fewer are a warning, none is a failure."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the findings as JSON."""
    render: Target | None = None
    """Print a cluster file instead: for ray up, KubeRay's RayCluster or RayJob, SkyPilot."""
    profile: Path = Path("deploy/profile.yaml")
    """What the cluster has and runs; for --render."""


def main(argv: Sequence[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    return cli.guarded(lambda: _main(argv))


def _main(argv: Sequence[str]) -> int:
    args = cli.parse(DoctorArgs, argv, prog="python -m ctt_ray.doctor", description=DESCRIPTION)
    if args.render is not None:
        from ctt_ray.deploy import profile, targets

        print(targets.render(profile.read(args.profile), args.render), end="")
        return cli.DONE
    found = findings(args)
    failed = any(finding.state == "fail" for finding in found)
    if args.as_json:
        print(json.dumps({"ok": not failed, "findings": [asdict(finding) for finding in found]}, indent=1))
    else:
        print("\n".join(finding.line() for finding in found))
    return cli.ENVIRONMENT if failed else cli.DONE


def findings(args: DoctorArgs) -> list[Finding]:
    """Everything that was asked for, the cheap checks first."""
    from ctt_ray.doctor import clusters, data, machine, packages, storage

    wanted = packages.required()
    running, temp = clusters.control_processes(), clusters.temp_folder()
    found = [
        packages.python(),
        packages.ranges(wanted),
        packages.tested(packages.pins(), wanted),
        packages.extras(wanted),
        machine.torch(),
        machine.shared_memory(),
        machine.temp(temp),
    ]
    if args.address in ("", "local"):  # who joins a cluster expects its traces
        found += [clusters.others(running), clusters.stale(temp, running), clusters.variable()]
    found += storage.check(args.storage)
    found += data.check(args.data) if args.data else []
    return found + (_cluster(args) if args.address else [])


def _cluster(args: DoctorArgs) -> list[Finding]:
    from ctt_ray.doctor import clusters, joined
    from ctt_ray.doctor.finding import Finding

    try:
        return joined.check(args.address, args.storage, args.machines)
    except cli.ClusterError as error:
        return [Finding("fail", "cluster", f"{error}{clusters.token()}")]


if __name__ == "__main__":
    sys.exit(main())
