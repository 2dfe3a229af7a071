"""A Hugging Face `datasets` data set with an image column and a label column: a local one, or streamed from the hub."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from data_prep.errors import BadItem, UsageError
from data_prep.files import hash_json, hash_order
from data_prep.schema import DataError
from data_prep.sources.listing import named_classes, voc_palette
from data_prep.sources.raw import RawItem, RawPair, RawSet
from data_prep.sources.tape import Tape

SPLITS = {"train": ("train",), "val": ("validation", "val", "valid", "dev"), "test": ("test",)}
HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
SAVED = ("dataset_dict.json", "state.json")  # what save_to_disk leaves in a folder


class _Part(NamedTuple):
    """One split as a stream; rows: how many, where that is known for certain or the hub's card says so."""

    stream: Any
    rows: int | None


@dataclass(frozen=True)
class HuggingFace:
    """A data set of the `datasets` library: a folder (save_to_disk, imagefolder, parquet) or a name on the hub.

    Label images hold class indices (255 = void); a row whose label is null is an unlabelled image."""

    raw: str
    """A folder, or the hub's OWNER/NAME, which is streamed and never stored as a whole."""
    classes: str = ""
    """Class names in order of their index, 'background,cat,dog'."""
    names: Path | None = None
    """Instead of --classes: a text file, one class name a line."""
    image_column: str = "image"
    """The column that holds the images."""
    label_column: str = "label"
    """The column that holds the masks."""
    config: str | None = None
    """Configuration of a data set that has several."""
    revision: str = "main"
    """Branch, tag or commit on the hub; the commit it stands for becomes part of the content hash."""
    val_fraction: float = 0.2
    """Share of the rows that becomes val where there is no validation split; 0 makes none."""
    seed: int = 0
    """Another seed draws another val."""

    def open(self) -> RawSet:
        classes = named_classes(self.classes, self.names)
        if not 0 <= self.val_fraction < 1:
            raise UsageError(f"--val-fraction {self.val_fraction}: choose 0 to below 1.")
        found, identity, options = self._load()
        parts = {ours: found[theirs] for ours, names in SPLITS.items() for theirs in names[::-1] if theirs in found}
        if "train" not in parts:
            raise DataError(f"{self.raw} has no split 'train', it has: {', '.join(found)}. Name a data set with one.")
        streams = {split: self._pictures(part.stream) for split, part in parts.items()}
        rows = {split: list(range(self._count(streams[split], part))) for split, part in parts.items()}
        if "val" not in rows and self.val_fraction > 0:
            rows["train"], rows["val"] = self._divided(rows["train"])
            streams["val"] = streams["train"]
            options |= {"val_fraction": self.val_fraction, "seed": self.seed}
        return RawSet(
            name="hf",
            classes=classes,
            palette=voc_palette(len(classes)),
            licence="The data set's card says; on the hub: huggingface.co/datasets/OWNER/NAME.",
            splits={
                split: self._items(split, streams[split], rows[split], identity) for split in SPLITS if split in rows
            },
            label_table={index: index for index in range(len(classes))},
            options=options | {"image_column": self.image_column, "label_column": self.label_column},
            notes=tuple(f"{split}: {len(numbers)} rows" for split, numbers in rows.items()),
            streamed=True,
        )

    def _load(self) -> tuple[dict[str, _Part], str, dict[str, object]]:
        """The splits; what tells this data set from another one; and the options that name it."""
        from datasets import Dataset, load_dataset, load_from_disk

        options: dict[str, object] = {} if self.config is None else {"config": self.config}
        folder = Path(self.raw)
        try:
            if folder.is_dir() and any((folder / name).is_file() for name in SAVED):
                saved = load_from_disk(self.raw)
                parts = {"train": saved} if isinstance(saved, Dataset) else dict(saved)
                found = {name: _Part(part.to_iterable_dataset(), len(part)) for name, part in parts.items()}
                return found, _stamps(folder), options
            if folder.is_dir():
                streams = load_dataset(self.raw, self.config, streaming=True)
                return {name: _Part(stream, None) for name, stream in streams.items()}, _stamps(folder), options
            if not HUB_NAME.fullmatch(self.raw):
                raise DataError(f"{self.raw} is neither a folder nor a name on the hub (OWNER/NAME). Name one of them.")
            commit = hub_commit(self.raw, self.revision)
            options |= {"hub": self.raw, "commit": commit}
            streams = load_dataset(self.raw, self.config, revision=commit, streaming=True)
            return {name: _Part(stream, _announced(name, stream)) for name, stream in streams.items()}, commit, options
        except DataError:
            raise
        except Exception as error:  # the library throws errors of many kinds, of its own and of what it reads with
            place = "the folder" if folder.is_dir() else "no folder here, and the hub's data set"
            raise DataError(
                f"{self.raw}: {place} cannot be opened ({type(error).__name__}: {error}). Is the name right? A folder "
                "holds what save_to_disk wrote, an imagefolder or parquet files; the hub needs a connection."
            ) from None

    def _items(self, split: str, stream: Any, numbers: list[int], identity: str) -> list[RawItem]:
        tape = Tape(stream, numbers[-1] + 1 if numbers else 0, f"{self.raw}, {split}")
        return [
            RawItem(f"{number:08d}", self._reader(tape, split, number), f"{identity} {split} {number}")
            for number in numbers
        ]

    def _pictures(self, stream: Any) -> Any:
        """The two columns alone, as encoded bytes. Raises DataError where one is missing or holds no pictures."""
        from datasets import Image

        kinds = stream.features or {}
        for option, name in (("--image-column", self.image_column), ("--label-column", self.label_column)):
            if not isinstance(kinds.get(name), Image):
                columns = ", ".join(f"{column} ({type(kind).__name__})" for column, kind in kinds.items())
                raise DataError(
                    f"{self.raw} has no column '{name}' of type Image; its columns are: {columns or 'unknown'}. "
                    f"Name another one with {option}."
                )
        stream = stream.select_columns([self.image_column, self.label_column])
        for name in (self.image_column, self.label_column):
            stream = stream.cast_column(name, Image(decode=False))
        return stream

    def _count(self, stream: Any, part: _Part) -> int:
        try:
            return sum(1 for _ in stream) if part.rows is None else part.rows
        except Exception as error:  # whatever the file formats and the network throw
            raise DataError(
                f"{self.raw} cannot be read to its end ({type(error).__name__}: {error}). Repair the data set."
            ) from error

    def _reader(self, tape: Tape, split: str, number: int) -> Callable[[], RawPair]:
        names = [f"{split} row {number} ({column})" for column in (self.image_column, self.label_column)]

        def read() -> RawPair:
            row = tape.row(number)
            image = _encoded(row[self.image_column], names[0])
            if image is None:
                raise BadItem(names[0], "no image in this row")
            return RawPair(image, _encoded(row[self.label_column], names[1]), *names)

        return read

    def _divided(self, numbers: list[int]) -> tuple[list[int], list[int]]:
        """No validation split: the rows with the smallest hashes of (seed, number) become val."""
        count = int(self.val_fraction * len(numbers) + 0.5)
        if not 0 < count < len(numbers):
            raise DataError(
                f"--val-fraction {self.val_fraction} of {len(numbers)} rows makes {count} val rows. "
                "Choose another fraction, or 0 for no val split."
            )
        chosen = set(sorted(numbers, key=lambda number: hash_order(self.seed, f"{number:08d}"))[:count])
        return [n for n in numbers if n not in chosen], sorted(chosen)


def hub_commit(name: str, revision: str) -> str:
    """The commit that a branch or tag of a hub data set stands for now: the same one is read when a run goes on."""
    from huggingface_hub import HfApi

    return str(HfApi().dataset_info(name, revision=revision).sha)


def _announced(split: str, stream: Any) -> int | None:
    """Rows of a hub split as its card says: counting them would fetch it twice."""
    said = (stream.info.splits or {}).get(split)
    return None if said is None else said.num_examples


def _encoded(picture: Mapping[str, Any] | None, file: str) -> bytes | None:
    """The bytes of an undecoded Image value, which may be a path, remote or inside an archive, instead."""
    if picture is None:
        return None
    if picture["bytes"] is not None:
        return bytes(picture["bytes"])
    import fsspec

    try:
        with fsspec.open(picture["path"], "rb") as stream:
            return bytes(stream.read())
    except OSError as error:
        raise BadItem(file, f"unreadable: {error.strerror or error}") from None


def _stamps(folder: Path) -> str:
    """Name, size and time of every file of a local data set, as one hash."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stats = [(path.relative_to(folder).as_posix(), path.stat()) for path in files]
    return hash_json([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])
