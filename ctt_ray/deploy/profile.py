"""The profile: what a cluster has and what runs on it, said once; every target's file is rendered from it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from ctt_ray.config import ConfigError, Frozen

NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")  # KubeRay makes names of 63 characters by adding to it
PLACES = {"ctt_ray.tune": "campaigns", "ctt_ray.train": "runs"}
GIVEN = ("--address", "--storage")
HEALTH = {"RAY_health_check_period_ms": "1000"}  # a lost machine is known after 5 s, not 15: docs/elastic.md


class Storage(Frozen):
    """One file system that all machines mount in the same place; a campaign's locks and renames work on it."""

    folder: str = "/mnt/ctt"
    """Where every machine sees it."""
    nfs: str = ""
    """host:/export that `ray` and `skypilot` mount: Amazon EFS, Filestore, a server of your own."""
    claim: str = ""
    """PersistentVolumeClaim that KubeRay's pods mount; its access mode is ReadWriteMany."""

    @field_validator("folder")
    @classmethod
    def _absolute(cls, folder: str) -> str:
        if not re.fullmatch(r"(/[\w.-]+)+", folder):
            raise ValueError(f"an absolute path such as /mnt/ctt is needed, found '{folder}'")
        return folder


class Head(Frozen):
    """The machine that is not taken away: Ray's control, the campaign and its drivers, no trial."""

    cpus: int = Field(2, ge=1)
    memory_gib: int = Field(8, ge=4)


class Workers(Frozen):
    """The machines that train. A campaign counts them when it starts, so `min` is what it will use."""

    min: int = Field(1, ge=1)
    max: int = Field(1, ge=1)
    cpus: int = Field(8, ge=1)
    memory_gib: int = Field(32, ge=1)
    gpus: int = Field(0, ge=0)
    """Of each machine."""
    gpu: str = ""
    """Their name as SkyPilot writes it: L4, A100-80GB."""
    spot: bool = True

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < self.min:
            raise ValueError(f"max {self.max} is below min {self.min}")
        return self


class Aws(Frozen):
    """What `ray up` asks Amazon for."""

    region: str = "us-west-2"
    head_type: str = "m7i.large"
    worker_type: str = "g6.2xlarge"
    image_id: str = ""
    """Machine image: Ubuntu with Docker and an NVIDIA driver, such as Amazon's Deep Learning Base AMI of the region."""
    disk_gib: int = Field(150, ge=20)


class Kubernetes(Frozen):
    """Labels of the nodes that pods go to; spot and on-demand nodes have different ones, by cloud."""

    namespace: str = "default"
    head_nodes: dict[str, str] = Field(default_factory=dict)
    worker_nodes: dict[str, str] = Field(default_factory=dict)


class Profile(Frozen):
    """A cluster and its command."""

    name: str
    image: str
    """Container image of all machines: deploy/Dockerfile."""
    ray: str
    """Ray's version in the image."""
    command: str
    """python -m ctt_ray.tune ... or ctt_ray.train ...; storage and address are added."""
    storage: Storage
    head: Head = Head()
    workers: Workers = Workers()
    aws: Aws = Aws()
    kubernetes: Kubernetes = Kubernetes()
    infra: str = "aws"
    """Where SkyPilot looks for machines: aws, aws/us-west-2, gcp, k8s."""

    @field_validator("name")
    @classmethod
    def _label(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError(f"at most 40 small letters, digits and '-', a letter first, found '{name}'")
        return name

    @field_validator("command")
    @classmethod
    def _ours(cls, command: str) -> str:
        words = command.split()
        if words[:2] != ["python", "-m"] or len(words) < 3 or words[2] not in PLACES:
            raise ValueError(f"write python -m {' or '.join(PLACES)} and its arguments, found '{command}'")
        given = [word for word in words if word.partition("=")[0] in GIVEN]
        if given:
            raise ValueError(f"{', '.join(given)} comes from the profile's storage and cluster; leave it out")
        return " ".join(words)

    @property
    def place(self) -> str:
        """The folder that campaigns or runs are kept in."""
        return f"{self.storage.folder}/{PLACES[self.command.split()[2]]}"

    @property
    def job(self) -> str:
        """The whole command; the same one starts and goes on."""
        return f"{self.command} --storage {self.place} --address auto"

    @property
    def preflight(self) -> str:
        """Waits for the workers and looks at each."""
        return f"python -m ctt_ray.doctor --address auto --machines {self.workers.min} --storage {self.place}"


def read(path: Path) -> Profile:
    """A YAML file → Profile. Raises ConfigError that names every bad key."""
    if not path.is_file():
        raise ConfigError(f"no profile {path}; deploy/profile.yaml is an example")
    try:
        tree = yaml.safe_load(path.read_text())
        return Profile.model_validate(tree)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from None
    except ValidationError as error:
        told = [f"  {'.'.join(map(str, each['loc'])) or 'profile'}: {each['msg']}" for each in error.errors()]
        raise ConfigError(f"{path}:\n" + "\n".join(told)) from None
