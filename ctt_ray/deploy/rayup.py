"""A cluster for `ray up` on Amazon EC2. Format: Ray's cluster YAML, ray/autoscaler/ray-schema.json."""

from __future__ import annotations

from typing import Any

from ctt_ray.config import ConfigError
from ctt_ray.deploy.profile import HEALTH, Profile

START = "ulimit -n 65536; ray start --object-manager-port=8076"


def documents(profile: Profile) -> list[dict[str, Any]]:
    """One document. Raises ConfigError where the profile names no NFS export or no machine image."""
    workers = profile.workers
    folder = profile.storage.folder
    return [
        {
            "cluster_name": profile.name,
            "max_workers": workers.max,
            "idle_timeout_minutes": 15,
            "provider": {"type": "aws", "region": profile.aws.region, "cache_stopped_nodes": False},
            "auth": {"ssh_user": "ubuntu"},
            "docker": {
                "image": profile.image,
                "container_name": "ctt_ray",
                "pull_before_run": True,
                "run_options": [
                    "--ulimit nofile=65536:65536",
                    *(f"--env {name}={value}" for name, value in {"RAY_AUTH_MODE": "token", **HEALTH}.items()),
                    f"--volume {folder}:{folder}",
                ],
            },
            "file_mounts": {"/root/.ray/auth_token": "~/.ray/auth_token"},  # `ray get-auth-token --generate` makes one
            "initialization_commands": mounting(profile),  # outside the container, before it starts
            "setup_commands": [],  # Ray's defaults would install another Ray
            "head_node_type": "head",
            "available_node_types": {
                "head": {
                    "resources": {"CPU": 0},  # no trial sits on it
                    "min_workers": 0,
                    "max_workers": 0,
                    "node_config": _machine(profile, profile.aws.head_type),
                },
                "worker": {
                    "resources": {"CPU": workers.cpus} | ({"GPU": workers.gpus} if workers.gpus else {}),
                    "min_workers": workers.min,
                    "max_workers": workers.max,
                    "node_config": _machine(profile, profile.aws.worker_type)
                    | ({"InstanceMarketOptions": {"MarketType": "spot"}} if workers.spot else {}),
                },
            },
            "head_start_ray_commands": [
                "ray stop",
                f"{START} --head --port=6379 --autoscaling-config=~/ray_bootstrap_config.yaml",
            ],
            "worker_start_ray_commands": ["ray stop", f"{START} --address=$RAY_HEAD_IP:6379"],
        }
    ]


def mounting(profile: Profile) -> list[str]:
    """Shell lines that mount the export, again without harm. `hard`: a server's pause is a wait, not a lost write."""
    storage = profile.storage
    if not storage.nfs:
        raise ConfigError("this target mounts the storage itself: give storage.nfs, such as host:/export")
    return [
        "command -v mount.nfs4 || (sudo apt-get update && sudo apt-get install -y nfs-common)",
        f"sudo mkdir -p {storage.folder}",
        f"mountpoint -q {storage.folder} || sudo mount -t nfs4 -o nfsvers=4.1,hard {storage.nfs} {storage.folder}",
    ]


def _machine(profile: Profile, kind: str) -> dict[str, Any]:
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": profile.aws.disk_gib, "VolumeType": "gp3"}}
    if not profile.aws.image_id:
        raise ConfigError(
            "give aws.image_id, an Ubuntu with Docker and an NVIDIA driver: Ray's own is of 2023, its driver too old for torch"
        )
    return {"InstanceType": kind, "ImageId": profile.aws.image_id, "BlockDeviceMappings": [disk]}
