"""Which rows of train are labelled, and which ones the unlabelled stream shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctt_ray.stream.reader import ShardReader
from data_prep.schema import DataError, load_labelled_split

Rows = NDArray[np.int64]

ALL = "all"
_SHOWN = 3


@dataclass(frozen=True)
class Choice:
    """Row numbers of train, ascending. They are disjoint, unless the unlabelled stream shows labelled images too."""

    labelled: Rows
    unlabelled: Rows


def choose_rows(reader: ShardReader, labelled: str, *, labelled_as_unlabelled: bool) -> Choice:
    """Rows by the name of a labelled split, or "all" for every row with a mask; the unlabelled rows are the rest.

    Where there is no rest, and with labelled_as_unlabelled, the unlabelled stream shows all of train, without
    the labels. Raises DataError for a split that does not fit the data or labels nothing."""
    masked = reader.masked()
    chosen = masked.copy() if labelled == ALL else _named(reader, labelled, masked)
    if not chosen.any():
        raise DataError(
            f"'{labelled}' labels no image of {reader.folder}: nothing to learn from. "
            f"Make a split with `python -m data_prep split {reader.folder} --labelled 1/8`."
        )
    rest = ~chosen
    everything = np.arange(len(reader), dtype=np.int64)
    unlabelled = everything if labelled_as_unlabelled or not rest.any() else everything[rest]
    return Choice(everything[chosen], unlabelled)


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
