"""A folder for campaigns: it can be written, a lock holds against another process, a renamed file is never seen half."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ctt_ray.doctor.finding import Finding
from ctt_ray.doctor.machine import GIB, nearest

SIZE, ROUNDS = 1 << 16, 200
LOCK = """
import fcntl, sys
with open(sys.argv[1], "a") as handle:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(1)
"""
READ = """
import sys
print("ready", flush=True)
while True:
    try:
        content = open(sys.argv[1], "rb").read()
    except OSError as error:
        sys.exit(f"it was gone for a moment ({error.strerror})")
    if content == b"stop":
        break
    if len(content) != int(sys.argv[2]) or len(set(content)) != 1:
        sys.exit(f"half of it was seen ({len(content)} bytes)")
"""


@dataclass(frozen=True)
class Mount:
    kind: str
    options: tuple[str, ...] = ()


def check(storage: str) -> list[Finding]:
    """Made and removed: one small folder in the storage, or above it where the storage is not there yet."""
    if "://" in storage:
        said = f"{storage} is a URL: single runs go there; a campaign needs a folder that all machines mount"
        return [Finding("fail", "storage", said)]
    folder = nearest(Path(storage))
    try:
        with scratch(folder) as inside:
            usable = Finding(
                "ok", "storage", f"{folder} is writable, {shutil.disk_usage(folder).free / GIB:.1f} GiB free"
            )
            return [usable, mounted(mount_of(folder)), lock(inside), rename(inside)]
    except OSError as error:
        return [
            Finding("fail", "storage", f"{folder} cannot be written: {error.strerror}; name another with --storage")
        ]


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    inside = Path(tempfile.mkdtemp(prefix=".doctor-", dir=folder))
    try:
        yield inside
    finally:
        shutil.rmtree(inside, ignore_errors=True)


def lock(folder: Path, take: Callable[[int, int], object] = fcntl.flock) -> Finding:
    """Held here, it is refused to another process; let go, it is given."""
    path = folder / "lock"
    with path.open("a") as handle:
        try:
            take(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return Finding("fail", "locks", f"flock does not work here: {error.strerror}")
        held = _run(LOCK, str(path)).returncode
    free = _run(LOCK, str(path)).returncode
    if held == 0:
        return Finding("fail", "locks", "another process got a lock that was held: two could run one campaign")
    if free != 0:
        return Finding("fail", "locks", "no lock was given although nobody held it")
    return Finding("ok", "locks", "flock holds against another process")


def rename(folder: Path, replace: Callable[[Path, Path], object] = os.replace, rounds: int = ROUNDS) -> Finding:
    """While a file is replaced again and again, another process reads the old or the new one, whole."""
    path, beside = folder / "file", folder / "file.part"

    def put(content: bytes) -> None:
        beside.write_bytes(content)
        replace(beside, path)

    put(b"a" * SIZE)
    command = [sys.executable, "-c", READ, str(path), str(SIZE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        for number in range(rounds):
            put(bytes([ord("a") + number % 26]) * SIZE)
        beside.write_bytes(b"stop")
        os.replace(beside, path)
        said = reader.communicate(timeout=30)[1].strip()
    if reader.returncode:
        return Finding("fail", "renames", f"while a file was replaced {said}: a kill could leave half a file")
    return Finding("ok", "renames", f"{rounds} replacements, none seen half")


def mount_of(folder: Path, table: Path = Path("/proc/self/mounts")) -> Mount:
    """The file system that a folder lies on, as Linux tells it; an empty kind where it does not."""
    lines = [line.split() for line in table.read_text().splitlines()] if table.is_file() else []
    held = [line for line in lines if folder.resolve().is_relative_to(_plain(line[1]))]
    best = max(held, key=lambda line: len(line[1]), default=None)
    return Mount("") if best is None else Mount(best[2], tuple(best[3].split(",")))


def mounted(mount: Mount) -> Finding:
    """What a test on one machine cannot see: whether the lock is known to the others."""
    here = {"nolock", "local_lock=all", "local_lock=flock"} & set(mount.options)
    if mount.kind.startswith("nfs") and here:
        return Finding("fail", "file system", f"NFS with {', '.join(sorted(here))}: locks hold on this machine only")
    if mount.kind.startswith("fuse") and mount.kind != "fuseblk":
        return Finding(
            "warn",
            "file system",
            f"{mount.kind}, a bucket perhaps: locks may hold on this machine only (docs/clusters.md)",
        )
    return Finding("ok", "file system", mount.kind or "unknown")


def _plain(name: str) -> str:
    """Mount tables write a blank as \\040."""
    return name.replace("\\040", " ")


def _run(script: str, *args: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", script, *args], capture_output=True, timeout=60)
