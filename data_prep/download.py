"""VOC 2012 by torchvision's own downloader, in a process of its own: it brings torch, which this room does without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from data_prep.errors import DataError

FETCH = (
    "import sys; from torchvision.datasets import VOCSegmentation; "
    "VOCSegmentation(sys.argv[1], year='2012', image_set='trainval', download=True)"
)


def voc(root: Path) -> None:
    """Bring VOC 2012 under `root` as VOCdevkit/VOC2012: two GB, checked by torchvision against its MD5, not fetched again if
    the archive is there. Its progress goes to stderr. Raises DataError where it cannot be had."""
    root.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([sys.executable, "-c", FETCH, str(root)], stdout=sys.stderr, check=False)
    if done.returncode:
        raise DataError(
            f"VOC 2012 could not be downloaded to {root}: torchvision's downloader ended with code {done.returncode}, see "
            "above. Give the same command again, or fetch the archive yourself and leave --download out."
        )
