"""Which images a campaign trains on: those named, those found, or the built-in scenes."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from data_prep.schema import MANIFEST, DataError, load_labelled_split, load_manifest
from data_prep.store.place import as_folder, is_url
from tune_spaces import Space, scaled_down

BUILT_IN = "data"  # inside the campaign's folder
COUNT = re.compile(r"n(\d+)_s(\d+)")


@dataclass(frozen=True)
class Choice:
    """space: scaled down for a rehearsal · built_in: the scenes have to be painted first · content: the hash that the data have
    then; "" for built-in ones."""

    space: Space
    data: str
    labelled: str
    built_in: bool = False
    rehearsal: bool = False
    content: str = ""


def choose(space: Space, *, data: str, labelled: str, campaign: Path, address: str) -> Choice:
    """A named data set must be there. Without a name: the space's own place, else the built-in scenes, as a rehearsal
    unless the space is made for them. Raises DataError for a missing path and for a rehearsal on a cluster."""
    where = data or str(space.base["data"])
    if data or is_url(where) or (where and (Path(where) / MANIFEST).is_file()):
        return _checked(space, where, labelled or str(space.base["labelled"]))
    if space.recipe is not None:
        raise DataError(
            f"no prepared data set at {where}, and a recipe has no rehearsal: make it with `python -m data_prep "
            f"{Path(where).name} --raw PATH --out {where}`, or run it small: --data DIR --labelled SPLIT --set iterations=400"
        )
    rehearsal = bool(where)
    if rehearsal and address != "local":
        raise DataError(f"no prepared data set at {where}, and a cluster is not for rehearsals. {remedy(space)}")
    space = scaled_down(space) if rehearsal else space
    labelled = labelled or str(space.base["labelled"])
    if not COUNT.fullmatch(labelled):
        raise DataError(f"the built-in data know labelled splits like n24_s0 (24 images, seed 0), found '{labelled}'")
    return Choice(space, str(campaign / BUILT_IN), labelled, built_in=True, rehearsal=rehearsal)


def make_built_in(choice: Choice) -> None:
    """Paint the scenes and choose the labelled ones, unless they are there."""
    from data_prep.options import WriteOptions
    from data_prep.prepare import prepare
    from data_prep.sources.scenes import Scenes
    from data_prep.splits import make_split

    folder = Path(choice.data)
    match = COUNT.fullmatch(choice.labelled)
    assert match is not None
    prepare(Scenes().open(), WriteOptions(out=folder), lambda line: print(line, file=sys.stderr, flush=True))
    if not (folder / "splits" / f"{choice.labelled}.json").is_file():
        make_split(folder, match[1], seed=int(match[2]), name=choice.labelled)


def banner(space: Space) -> str:
    """What a rehearsal says before and while it runs."""
    return (
        f"REHEARSAL: no data for '{space.name}' at {space.base['data']}. The same search runs small, on built-in "
        f"scenes: the numbers say nothing about {space.name}.\nFor the real campaign: {remedy(space)}"
    )


def remedy(space: Space) -> str:
    where = str(space.base["data"])
    return (
        f"`python -m data_prep {Path(where).name} --raw PATH --out {where}`, "
        f"then `python -m data_prep split {where} --labelled 1/8`, or name prepared data with --data."
    )


def _checked(space: Space, data: str, labelled: str) -> Choice:
    place = data if is_url(data) else str(as_folder(data).resolve())
    content = load_manifest(place).content_hash
    if labelled != "all":
        load_labelled_split(place, labelled)
    return Choice(space, place, labelled, content=content)
