"""Every check says ok where it should, and warn or fail where something is made wrong."""

import os
import time
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tiny_scenes import make_scenes

from ctt_ray.doctor import clusters, data, machine, packages, storage
from ctt_ray.doctor.storage import Mount

WANTED = [Requirement("torch>=2.13,<2.14"), Requirement("ray[default,tune]>=2.60,<2.61")]


# --- packages


def having(**versions: str) -> packages.Versions:
    return lambda name: versions.get(name)


@pytest.mark.parametrize(("version", "state"), [((3, 10), "fail"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "fail")])
def test_python(version: tuple[int, int], state: str) -> None:
    assert packages.python(version).state == state


@pytest.mark.parametrize(
    ("versions", "state", "said"),
    [
        ({"torch": "2.13.0+cpu", "ray": "2.60.0"}, "ok", "all there"),
        ({"torch": "2.15.0", "ray": "2.60.0"}, "fail", "torch 2.15.0 is not"),
        ({"torch": "2.13.0"}, "fail", "ray is missing"),
    ],
)
def test_ranges(versions: dict[str, str], state: str, said: str) -> None:
    found = packages.ranges(WANTED, having(**versions))
    assert found.state == state
    assert said in found.said


def test_tested_set() -> None:
    pins = {"torch": "2.13.0", "ray": "2.60.0", "pytest": "9.2.0"}
    assert packages.tested(pins, WANTED, having(torch="2.13.0+cpu", ray="2.60.0")).state == "ok"
    other = packages.tested(pins, WANTED, having(torch="2.13.1", ray="2.60.0"))
    assert (other.state, other.said.startswith("torch 2.13.1 (tested: 2.13.0)")) == ("warn", True)


def test_rays_extras() -> None:
    assert "aiohttp" in packages.needed("ray", "default")
    assert "aiohttp" not in packages.needed("ray", "tune")
    assert packages.needed("no-such-package", "default") == []
    bare = packages.extras(WANTED, having(ray="2.60.0"))
    assert bare.state == "fail"
    assert "aiohttp" in bare.said
    assert packages.extras(WANTED).state == "ok"


def test_this_projects_own_requirements_and_pins() -> None:
    names = {each.name for each in packages.required()}
    assert {"torch", "ray", "optuna"} <= names
    assert "pytest" not in names  # extras are not asked for
    assert {"torch", "ray"} <= packages.pins().keys()


# --- the machine


def test_gpus_that_torch_does_not_see() -> None:
    assert machine.gpus(0, 0, "torch").state == "ok"
    assert machine.gpus(2, 2, "torch", "L4").said == "torch; 2 GPUs: L4"
    assert machine.gpus(2, 0, "torch 2.13.0+cpu").state == "fail"


def test_shared_memory_and_temp(tmp_path: Path) -> None:
    assert machine.shared_memory(tmp_path, at_least=1).state == "ok"
    assert "--shm-size" in machine.shared_memory(tmp_path, at_least=2**60).said
    assert machine.shared_memory(tmp_path / "none").state == "warn"
    assert machine.temp(tmp_path / "not" / "yet", at_most=1.0).state == "ok"
    assert machine.temp(tmp_path, at_most=0.0).state == "warn"


# --- traces of Ray


def test_processes_are_counted_by_name(tmp_path: Path) -> None:
    for number, name in (("1", "bash"), ("22", "gcs_server"), ("333", "gcs_server"), ("self", "gcs_server")):
        (tmp_path / number).mkdir()
        (tmp_path / number / "comm").write_text(f"{name}\n")
    assert clusters.control_processes(tmp_path) == 2
    assert [clusters.others(0).state, clusters.others(2).state] == ["ok", "warn"]


def test_an_address_that_was_left_behind(tmp_path: Path) -> None:
    assert clusters.stale(tmp_path, 0).state == "ok"
    (tmp_path / "ray_current_cluster").write_text("10.0.0.1:6379")
    assert clusters.stale(tmp_path, 0).state == "warn"
    running = clusters.stale(tmp_path, 1)
    assert (running.state, "10.0.0.1:6379" in running.said) == ("ok", True)


def test_variables() -> None:
    assert clusters.variable({}).state == "ok"
    assert clusters.variable({"RAY_ADDRESS": "auto"}).state == "warn"
    assert clusters.temp_folder({"TMPDIR": "/a", "RAY_TMPDIR": "/b"}) == Path("/b/ray")
    assert clusters.temp_folder({}) == Path("/tmp/ray")


def test_a_token_that_only_one_side_knows_of(tmp_path: Path) -> None:
    assert clusters.token({}, tmp_path) == ""
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("secret")
    assert "RAY_AUTH_MODE is not set" in clusters.token({}, tmp_path)
    assert "secret" not in clusters.token({}, tmp_path)
    assert clusters.token({"RAY_AUTH_MODE": "token"}, tmp_path) == ""


# --- the storage


def test_a_good_folder_is_left_as_it_was(tmp_path: Path) -> None:
    found = storage.check(str(tmp_path / "campaigns"))
    assert [finding.state for finding in found] == ["ok"] * 4
    assert list(tmp_path.iterdir()) == []  # neither made nor littered


def test_a_lock_that_does_not_hold(tmp_path: Path) -> None:
    assert storage.lock(tmp_path).state == "ok"
    pretended = storage.lock(tmp_path, take=lambda descriptor, how: None)
    assert (pretended.state, "two could run" in pretended.said) == ("fail", True)


def test_a_replacement_that_is_seen_half(tmp_path: Path) -> None:
    def half(beside: Path, path: Path) -> None:
        path.write_bytes(b"")
        time.sleep(0.005)
        path.write_bytes(beside.read_bytes())

    def gone(beside: Path, path: Path) -> None:
        path.unlink(missing_ok=True)
        time.sleep(0.005)
        os.replace(beside, path)

    assert storage.rename(tmp_path).state == "ok"
    assert "half of it was seen" in storage.rename(tmp_path, replace=half).said
    assert "gone for a moment" in storage.rename(tmp_path, replace=gone).said


def test_a_url_and_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.state for finding in storage.check("s3://bucket/campaigns")] == ["fail"]

    def refused(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refused)
    (found,) = storage.check(str(tmp_path))
    assert (found.state, "Permission denied" in found.said) == ("fail", True)


def test_the_mount_is_the_closest_one(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    inner = tmp_path / "with blank"
    inner.mkdir()
    blank = str(inner).replace(" ", "\\040")
    table.write_text(
        f"/dev/a / ext4 rw 0 0\nhost:/ {tmp_path} nfs4 rw,local_lock=none 0 0\nbucket {blank} fuse.gcsfuse rw 0 0\n"
    )
    assert storage.mount_of(inner, table).kind == "fuse.gcsfuse"
    assert storage.mount_of(tmp_path, table) == Mount("nfs4", ("rw", "local_lock=none"))
    assert storage.mount_of(Path("/"), table).kind == "ext4"
    assert storage.mount_of(tmp_path, tmp_path / "none").kind == ""


@pytest.mark.parametrize(
    ("mount", "state"),
    [
        (Mount("ext4"), "ok"),
        (Mount("nfs4", ("rw", "local_lock=none")), "ok"),
        (Mount("nfs", ("rw", "nolock")), "fail"),
        (Mount("nfs", ("local_lock=all",)), "fail"),
        (Mount("fuse.s3fs"), "warn"),
        (Mount("fuseblk"), "ok"),
    ],
)
def test_what_a_mount_promises(mount: Mount, state: str) -> None:
    assert storage.mounted(mount).state == state


# --- the data


def test_data_by_their_manifest(tmp_path: Path) -> None:
    there = make_scenes(tmp_path / "data")
    (good,) = data.check(str(there))
    assert (good.state, "all there" in good.said) == ("ok", True)
    shard = sorted(there.glob("*.arrow"))[0]
    shard.write_bytes(shard.read_bytes()[:-1])
    (cut,) = data.check(str(there))
    assert (cut.state, shard.name in cut.said) == ("fail", True)
    assert [finding.state for finding in data.check(str(tmp_path / "none"))] == ["fail"]
