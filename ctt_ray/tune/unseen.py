"""Images for a confirmation: which to take by default, and the proof that the search has not read them.

The proof is by the hash of each image's bytes. Ids would not do: the same picture may stand in two splits under two names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ctt_ray.config import ConfigError
from data_prep.contents import TRAIN, images, scored_images
from data_prep.parts import Part, parse
from data_prep.schema import Manifest, load_manifest

TEST, VAL = "test", "val"
HALVES = "search with `--set eval_split=val:0/2` (and another --name), then val:1/2 is left to confirm on"
SHOWN = 3


@dataclass(frozen=True)
class Scored:
    """What was scored: the name, how many images, and the hash of their sorted hashes."""

    split: str
    images: int
    digest: str


@dataclass(frozen=True)
class Evidence:
    """The images of the search and of the confirmation, proven to have none in common."""

    search: Scored
    confirm: Scored


def default(search: str, manifest: Manifest) -> str:
    """What to confirm on after a search on `search`: test, else the next part of the same split, else val for a search on
    labelled images. Raises ConfigError where nothing is left."""
    read = parse(search)
    if _has_masks(manifest, TEST) and read.split != TEST:
        return TEST
    if read.of_labelled and _has_masks(manifest, VAL):
        return VAL
    if read.parts > 1 and not read.of_labelled:
        return str(Part(read.split, (read.part + 1) % read.parts, read.parts))
    raise ConfigError(
        f"the search read all of '{search}' and the data have no other images with masks to confirm on "
        f"(splits: {', '.join(sorted(manifest.splits))}). Either {HALVES}; or name a split with --on."
    )


def check(data: str | Path, labelled: str, *, search: str, confirm: str) -> Evidence:
    """Raises ConfigError if an image to confirm on was scored in the search or trained on, DataError for unreadable data."""
    read = scored_images(data, search, labelled)
    asked = scored_images(data, confirm, labelled)
    _refuse(confirm, asked, read, f"scored in the search (on '{search}'), which chose its best by them")
    if TRAIN in load_manifest(data).splits:
        trained = images(data, TRAIN)
        _refuse(
            confirm, asked, trained, "among the training images; `python -m data_prep verify` shows how they came there"
        )
    return Evidence(_scored(search, read), _scored(confirm, asked))


def _refuse(confirm: str, asked: Mapping[str, str], read: Mapping[str, str], what: str) -> None:
    known = set(read.values())
    both = [id for id, content in asked.items() if content in known]
    if both:
        shown = ", ".join(both[:SHOWN]) + (", ..." if len(both) > SHOWN else "")
        raise ConfigError(
            f"'{confirm}' is no confirmation: {len(both)} of its {len(asked)} images ({shown}) are {what}. "
            f"Name other images with --on, or {HALVES}."
        )


def _scored(split: str, found: Mapping[str, str]) -> Scored:
    return Scored(split, len(found), hashlib.sha256("".join(sorted(found.values())).encode()).hexdigest())


def _has_masks(manifest: Manifest, split: str) -> bool:
    return split in manifest.splits and manifest.splits[split].with_mask > 0
