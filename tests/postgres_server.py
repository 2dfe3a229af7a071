"""A PostgreSQL server of a test's own: Debian's binaries, a temporary folder, a port of the system's choice."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

PATIENCE_S = 60


def binaries() -> Path | None:
    """The folder of the newest server that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def missing() -> str:
    """Why there can be no server here, or nothing."""
    if binaries() is None:
        return "no PostgreSQL server is installed (Debian: postgresql)"
    if find_spec("psycopg") is None and find_spec("psycopg2") is None:
        return "no PostgreSQL driver is installed (pip install 'ctt-ray[postgres]')"
    if os.getuid() == 0 and not shutil.which("runuser"):
        return "PostgreSQL does not run as root, and there is no runuser"
    return ""


@contextmanager
def server() -> Iterator[str]:
    """Yields the URL of an empty database; the server is gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix="pg"))  # a short path: a socket's name has at most 107 characters
    user = "postgres" if os.getuid() == 0 else ""
    if user:
        shutil.chown(place, user)
    data, port = place / "data", _free_port()
    _run(user, place, "initdb", "-D", data, "-U", "tester", "--auth=trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={place} -c fsync=off"
    try:
        _run(user, place, "pg_ctl", "-D", data, "-w", "-l", place / "log", "-o", options, "start")
        yield f"postgresql://tester:secret@127.0.0.1:{port}/postgres"
    finally:
        _run(user, place, "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(place, ignore_errors=True)


def _run(user: str, place: Path, program: str, *arguments: object) -> None:
    folder = binaries()
    assert folder is not None
    command = [str(folder / program), *map(str, arguments)]
    as_user = ["runuser", "-u", user, "--", *command] if user else command
    done = subprocess.run(
        as_user, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=place, timeout=PATIENCE_S
    )
    assert done.returncode == 0, f"{program}: {done.stderr}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
