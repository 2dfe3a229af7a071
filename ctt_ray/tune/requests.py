"""Requests to a campaign: files in its folder, written on any machine that sees it; the running campaign looks for them.

stop_asked.json      stop politely; removed by the next start
extend/NAME.json     {"trials": N}: that many more, for good; one file a request, so that none overwrites another
"""

from __future__ import annotations

import json
import socket
import time
import uuid

from ctt_ray.tune.folder import Folder, write_json

STOP, EXTEND = "stop_asked.json", "extend"


def ask_stop(folder: Folder) -> None:
    write_json(folder.root / STOP, {"host": socket.gethostname(), "time": time.time()})


def stop_asked(folder: Folder) -> bool:
    return (folder.root / STOP).exists()


def forget_stop(folder: Folder) -> None:
    (folder.root / STOP).unlink(missing_ok=True)


def ask_more(folder: Folder, trials: int) -> None:
    path = folder.root / EXTEND / f"{uuid.uuid4().hex}.json"
    write_json(path, {"trials": trials, "host": socket.gethostname(), "time": time.time()})


def added(folder: Folder) -> int:
    """Trials that requests have added since the campaign began."""
    return sum(int(json.loads(path.read_text())["trials"]) for path in (folder.root / EXTEND).glob("*.json"))
