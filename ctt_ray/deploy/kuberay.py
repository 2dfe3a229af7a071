"""KubeRay's RayCluster and RayJob, for operator 1.5.1 or newer. Format: its API reference, group ray.io/v1."""

from __future__ import annotations

from typing import Any

from ctt_ray.config import ConfigError
from ctt_ray.deploy.profile import HEALTH, Profile

RETRIES = 3  # each on a new cluster: a lost head is answered with the same command
LINGER_S = 600  # logs stay readable


def cluster(profile: Profile) -> list[dict[str, Any]]:
    """A cluster that stays until it is deleted. Raises ConfigError without a claim."""
    return [_resource("RayCluster", profile, cluster_spec(profile))]


def job(profile: Profile) -> list[dict[str, Any]]:
    """A cluster for one command, deleted after it. Raises ConfigError without a claim."""
    spec = {
        "entrypoint": profile.job,
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": LINGER_S,
        "backoffLimit": RETRIES,
        "rayClusterSpec": cluster_spec(profile),
    }
    return [_resource("RayJob", profile, spec)]


def cluster_spec(profile: Profile) -> dict[str, Any]:
    """The operator itself replaces a lost worker; Ray's autoscaler is there only where there is a range."""
    workers = profile.workers
    ranged = workers.max > workers.min
    return {
        "rayVersion": profile.ray,
        "authOptions": {"mode": "token"},  # the operator makes the token and hands it to every pod
        **({"enableInTreeAutoscaling": True, "autoscalerOptions": {"idleTimeoutSeconds": 900}} if ranged else {}),
        "headGroupSpec": {
            "rayStartParams": {"num-cpus": "0", "dashboard-host": "0.0.0.0"},  # no trial sits on it
            "template": _pod(profile, head=True),
        },
        "workerGroupSpecs": [
            {
                "groupName": "workers",
                "replicas": workers.min,
                "minReplicas": workers.min,
                "maxReplicas": workers.max,
                "rayStartParams": {},
                "template": _pod(profile, head=False),
            }
        ],
    }


def _resource(kind: str, profile: Profile, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": profile.name, "namespace": profile.kubernetes.namespace}
    return {"apiVersion": "ray.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _pod(profile: Profile, *, head: bool) -> dict[str, Any]:
    """requests = limits, so that a pod is not the first to go when its node is full."""
    if not profile.storage.claim:
        raise ConfigError("pods mount a claim: give storage.claim, a PersistentVolumeClaim with ReadWriteMany")
    workers = profile.workers
    size = profile.head if head else workers
    has: dict[str, Any] = {"cpu": str(size.cpus), "memory": f"{size.memory_gib}Gi"}
    if not head and workers.gpus:
        has["nvidia.com/gpu"] = str(workers.gpus)
    container = {
        "name": "ray-head" if head else "ray-worker",
        "image": profile.image,
        "env": [{"name": name, "value": value} for name, value in HEALTH.items()],
        "resources": {"requests": has, "limits": has},
        "volumeMounts": [{"name": "storage", "mountPath": profile.storage.folder}],
    }
    spec: dict[str, Any] = {
        "containers": [container],
        "volumes": [{"name": "storage", "persistentVolumeClaim": {"claimName": profile.storage.claim}}],
    }
    if nodes := profile.kubernetes.head_nodes if head else profile.kubernetes.worker_nodes:
        spec["nodeSelector"] = dict(nodes)
    if not head and workers.gpus:
        spec["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    if not head:
        return {"spec": spec}
    kept = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}  # the head is not moved to save a node
    return {"metadata": {"annotations": kept}, "spec": spec}
