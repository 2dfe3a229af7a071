"""Where the cache is and how large it may grow: by the environment, since that is a matter of the machine and not of a run.

In a run's configuration it would be part of the hash that a trial is checked by, and one machine's folder would be written into
files that another machine reads.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from data_prep.errors import DataError

FOLDER, LIMIT = "CTT_RAY_CACHE", "CTT_RAY_CACHE_GIB"
USUAL_GIB = 50.0
GIB = 1 << 30


def folder() -> Path:
    """CTT_RAY_CACHE, else ctt_ray in the user's cache folder."""
    named = os.environ.get(FOLDER)
    if named:
        return Path(named).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ctt_ray"


def limit() -> int:
    """Bytes. Raises DataError for what is no size."""
    text = os.environ.get(LIMIT, "")
    try:
        size = float(text) if text else USUAL_GIB
    except ValueError:
        size = math.nan
    if not 0 < size < math.inf:
        raise DataError(f"{LIMIT}={text}: needed is a number of GiB above 0, such as 50.")
    return int(size * GIB)


def gib(size: int) -> str:
    """Rounded up, so that what is named is enough."""
    return f"{math.ceil(100 * size / GIB) / 100:g} GiB"
