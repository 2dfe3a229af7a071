"""Rendered files: those in deploy/ are the profile's, and the tools' own parsers and schemas take them."""

import copy
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml

from ctt_ray.config import ConfigError
from ctt_ray.deploy.profile import Profile, read
from ctt_ray.deploy.targets import TARGETS, Target, render

ROOT = Path(__file__).resolve().parents[3]
PROFILE = read(ROOT / "deploy" / "profile.yaml")
SCHEMA = json.loads(Path(__file__).with_name("kuberay_v1.json").read_text())


def documents(target: Target, profile: Profile = PROFILE) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(render(profile, target)))


def changed(**workers: Any) -> Profile:
    return PROFILE.model_copy(update={"workers": PROFILE.workers.model_copy(update=workers)})


def ray_cluster(kind: Target, profile: Profile = PROFILE) -> dict[str, Any]:
    """The cluster's part of KubeRay's two resources."""
    spec: dict[str, Any] = documents(kind, profile)[0]["spec"]
    return spec if kind == "raycluster" else spec["rayClusterSpec"]


@pytest.mark.parametrize("target", get_args(Target))
def test_the_files_are_what_the_profile_renders(target: Target) -> None:
    assert (ROOT / "deploy" / f"{target}.yaml").read_text() == render(PROFILE, target)
    assert documents(target) == TARGETS[target].documents(PROFILE)  # through YAML and back


def test_the_profile_names_the_tested_ray() -> None:
    assert f"ray=={PROFILE.ray}" in (ROOT / "constraints.txt").read_text().splitlines()


@pytest.mark.parametrize("target", ["rayjob", "skypilot"])
def test_the_same_command_runs_everywhere(target: Target) -> None:
    assert render(PROFILE, target).count(PROFILE.job) == 2  # in the head line, and where it is run


@pytest.mark.parametrize(
    ("target", "part", "said"),
    [("ray", "nfs", "storage.nfs"), ("skypilot", "nfs", "nfs"), ("rayjob", "claim", "claim")],
)
def test_storage_that_a_target_needs(target: Target, part: str, said: str) -> None:
    without = PROFILE.model_copy(update={"storage": PROFILE.storage.model_copy(update={part: ""})})
    with pytest.raises(ConfigError, match=said):
        render(without, target)


# --- ray up: Ray's own defaults and schema


def prepared(config: dict[str, Any]) -> dict[str, Any]:
    from ray.autoscaler._private.util import prepare_config, validate_config

    whole: dict[str, Any] = prepare_config(copy.deepcopy(config))
    validate_config(whole)
    return whole


def test_ray_takes_the_cluster_file() -> None:
    whole = prepared(documents("ray")[0])
    head, worker = (whole["available_node_types"][name] for name in ("head", "worker"))
    assert head["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in head["node_config"]
    assert worker["resources"] == {"CPU": 8, "GPU": 1}
    assert worker["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert (worker["min_workers"], worker["max_workers"]) == (4, 4)
    assert not any("ray-wheels" in line for line in whole["setup_commands"])  # Ray's default installs another Ray


def test_ray_refuses_what_is_misspelt() -> None:
    config = documents("ray")[0]
    with pytest.raises(jsonschema.ValidationError, match="max_workerz"):
        prepared(config | {"max_workerz": 2})
    config["available_node_types"]["worker"]["resources"]["GPU"] = 0.5
    with pytest.raises(jsonschema.ValidationError):
        prepared(config)


def test_ray_up_on_demand_and_without_an_image() -> None:
    worker = documents("ray", changed(spot=False, gpus=0))[0]["available_node_types"]["worker"]
    assert "InstanceMarketOptions" not in worker["node_config"]
    assert worker["resources"] == {"CPU": 8}
    without = PROFILE.model_copy(update={"aws": PROFILE.aws.model_copy(update={"image_id": ""})})
    with pytest.raises(ConfigError, match=r"aws\.image_id"):
        render(without, "ray")


# --- KubeRay: fields by its API reference, sizes as Ray's autoscaler reads them, pods by Kubernetes' schema


@pytest.mark.parametrize("target", ["raycluster", "rayjob"])
@pytest.mark.parametrize("most", [4, 9])
def test_kuberay_fields(target: Target, most: int) -> None:
    resource = documents(target, changed(max=most))[0]
    jsonschema.validate(resource, SCHEMA)
    assert ray_cluster(target, changed(max=most)).get("enableInTreeAutoscaling", False) is (most > 4)
    resource["spec"]["rayVersoin"] = resource["spec"].pop("rayVersion", "")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(resource, SCHEMA)


def test_rays_autoscaler_reads_the_cluster() -> None:
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr as derived

    types = derived(documents("raycluster", changed(max=9))[0])["available_node_types"]
    assert types["headgroup"]["resources"]["CPU"] == 0
    assert types["workers"]["resources"] == {"CPU": 8, "GPU": 1, "memory": 28 * 2**30}
    assert (types["workers"]["min_workers"], types["workers"]["max_workers"]) == (4, 9)


def test_head_and_workers_go_to_their_own_nodes() -> None:
    cluster = ray_cluster("rayjob")
    head, worker = cluster["headGroupSpec"], cluster["workerGroupSpecs"][0]
    assert head["template"]["spec"]["nodeSelector"] == {"eks.amazonaws.com/capacityType": "ON_DEMAND"}
    assert worker["template"]["spec"]["nodeSelector"] == {"eks.amazonaws.com/capacityType": "SPOT"}
    assert "nvidia.com/gpu" not in head["template"]["spec"]["containers"][0]["resources"]["limits"]


def test_both_kuberay_targets_have_one_cluster() -> None:
    assert ray_cluster("rayjob") == ray_cluster("raycluster")


@pytest.mark.parametrize("gpus", [0, 1])
def test_pods_fit_kubernetes_schema(gpus: int) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="pip install 'ctt-ray[deploy-check]'")
    cluster = ray_cluster("raycluster", changed(gpus=gpus))
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        template = group["template"]
        metadata = {"name": "pod", **template.get("metadata", {})}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        validate.validate(pod, "1.37", strict=True)
        pod["spec"]["nodeSelektor"] = {}
        with pytest.raises(validate.ValidationError):
            validate.validate(pod, "1.37", strict=True)


# --- SkyPilot: its own parser where it is installed, else the shape that its documentation gives

PARSE = """
import sys
from sky.utils import dag_utils
dag = dag_utils.load_job_group_from_yaml_str(sys.stdin.read(), secrets_overrides=[("RAY_AUTH_TOKEN", "0" * 32)])
print(dag.primary_tasks)
for task in dag.tasks:
    machine = next(iter(task.resources))
    print(task.name, machine.use_spot, machine.accelerators)
"""


def test_skypilot_takes_the_job_group(tmp_path: Path) -> None:
    if find_spec("sky") is None:
        pytest.skip("SkyPilot is not installed: pip install 'ctt-ray[deploy-check]'")
    env = {**os.environ, "HOME": str(tmp_path), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PARSE], input=render(PROFILE, "skypilot"), env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith(("[", "head", "worker"))]
    workers = [f"worker{i} True {{'L4': 1}}" for i in range(4)]
    assert said == ["['head']", "head False None", *workers]


def test_skypilot_head_on_demand_workers_spot_one_a_task() -> None:
    header, head, *workers = documents("skypilot")
    assert header == {"name": "voc", "execution": "parallel", "primary_tasks": ["head"]}
    assert not head["resources"]["use_spot"]
    assert [task["name"] for task in workers] == ["worker0", "worker1", "worker2", "worker3"]
    assert all(task["resources"]["use_spot"] for task in workers)
    assert all(set(task) == {"name", "resources", "envs", "secrets", "setup", "run"} for task in (head, *workers))
    assert all("ray stop" not in task["run"] for task in (head, *workers))  # it would end SkyPilot's own Ray


@pytest.mark.parametrize("target", ["skypilot", "ray"])
def test_shell_lines_are_shell(target: Target) -> None:
    scripts = []
    for document in documents(target):
        scripts += [document[name] for name in ("setup", "run") if name in document]
        lists = [value for name, value in document.items() if re.search("_commands$", name)]
        scripts += ["\n".join(lines) for lines in lists]
    assert scripts
    for script in scripts:
        checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
