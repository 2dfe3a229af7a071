"""The report page at a campaign's end, where its packages are installed. A report that cannot be made fails no campaign."""

from __future__ import annotations

import logging
from pathlib import Path

from ctt_ray.report import missing
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.settings import Settings

log = logging.getLogger("ctt_ray.tune")


def write(folder: Folder, settings: Settings) -> tuple[Path | None, str]:
    """The page's path, or None and why there is none."""
    if lacking := missing():
        return None, f"no report: {', '.join(lacking)} not installed; pip install 'ctt-ray[report]'"
    try:
        from ctt_ray.report import page

        return page.write(folder, settings)[0], ""
    except Exception as error:
        log.exception("the report could not be made")
        return None, f"no report: {type(error).__name__}: {error}; python -m ctt_ray.report {folder.root} tries again"
