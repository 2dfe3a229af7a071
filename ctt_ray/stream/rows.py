"""Which rows of train are labelled, and which ones the unlabelled stream shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctt_ray.stream.reader import ShardReader
from data_prep.parts import Part
from data_prep.schema import DataError, load_labelled_split

Rows = NDArray[np.int64]

TRAIN = "train"
ALL = "all"
_SHOWN = 3


@dataclass(frozen=True)
class Choice:
    """Row numbers of train, ascending. They are disjoint, unless the unlabelled stream shows labelled images too."""

    labelled: Rows
    unlabelled: Rows


def choose_rows(
    reader: ShardReader, labelled: str, *, labelled_as_unlabelled: bool, held_out: Part | None = None
) -> Choice:
    """Rows by the name of a labelled split, or "all" for every row with a mask; the unlabelled rows are the rest.

    Where there is no rest, and with labelled_as_unlabelled, the unlabelled stream shows all of train, without
    the labels. held_out: a part of the labelled rows that neither stream shows, for it is scored on.
    Raises DataError for a split that does not fit the data or labels nothing."""
    everything = np.arange(len(reader), dtype=np.int64)
    chosen = labelled_rows(reader, labelled)
    rest = np.setdiff1d(everything, chosen)
    unlabelled = everything if labelled_as_unlabelled or not rest.size else rest
    if held_out is None:
        return Choice(chosen, unlabelled)
    hidden = held_out_rows(reader, labelled, held_out)
    if len(hidden) == len(chosen):
        raise DataError(
            f"'{held_out}' holds out all {len(chosen)} labelled images of '{labelled}' and leaves none to train on. "
            "Label more images."
        )
    return Choice(np.setdiff1d(chosen, hidden), np.setdiff1d(unlabelled, hidden))


def held_out_rows(reader: ShardReader, labelled: str, part: Part) -> Rows:
    """The part's rows among the labelled ones of train, ascending. Raises DataError where it is empty."""
    rows = labelled_rows(reader, labelled)
    ids = reader.column("id")
    return rows[part.places([ids[row] for row in rows])]


def labelled_rows(reader: ShardReader, labelled: str) -> Rows:
    """All rows that the labelled split names, ascending. Raises DataError where there are none."""
    if not labelled:
        raise DataError("a part of the labelled images needs the name of the run's labelled split.")
    masked = reader.masked()
    rows = np.flatnonzero(masked if labelled == ALL else _named(reader, labelled, masked)).astype(np.int64)
    if not rows.size:
        raise DataError(
            f"'{labelled}' labels no image of {reader.folder}: nothing to learn from. "
            f"Make a split with `python -m data_prep split {reader.folder} --labelled 1/8`."
        )
    return rows


def _named(reader: ShardReader, name: str, masked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The rows of `splits/NAME.json` as a truth value per row."""
    split = load_labelled_split(reader.folder, name)
    remedy = f"Make the split again with `python -m data_prep split {reader.folder}`."
    if split.data_hash != reader.manifest.content_hash:
        raise DataError(
            f"split '{name}' was made for data {split.data_hash[:12]}, {reader.folder} holds "
            f"{reader.manifest.content_hash[:12]}. {remedy}"
        )
    row_of = {id_: row for row, id_ in enumerate(reader.column("id"))}
    missing = [id_ for id_ in split.ids if id_ not in row_of]
    if missing:
        raise DataError(f"split '{name}' names {len(missing)} ids that train does not hold: {_some(missing)}. {remedy}")
    bare = [id_ for id_ in split.ids if not masked[row_of[id_]]]
    if bare:
        raise DataError(f"split '{name}' calls {len(bare)} images labelled that have no mask: {_some(bare)}. {remedy}")
    chosen = np.zeros(len(reader), dtype=bool)
    chosen[[row_of[id_] for id_ in split.ids]] = True
    return chosen


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")
