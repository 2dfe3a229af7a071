"""The sections of a data set card: each a list of Markdown lines, from what lies in the folder and nothing else."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from data_prep.class_table import SplitNumbers
from data_prep.leaks.find import LEAKS
from data_prep.prepare import QUARANTINE
from data_prep.schema import DataError, Manifest, load_labelled_split

MIB = 1 << 20


def splits(manifest: Manifest, numbers: Sequence[SplitNumbers]) -> list[str]:
    rows = []
    for entry in numbers:
        shards = manifest.splits[entry.split].shards
        size = f"{sum(shard.bytes for shard in shards) / MIB:.1f} MiB"
        rows.append((entry.split, entry.rows, entry.with_mask, f"{entry.void_share:.2%}", len(shards), size))
    sizes = manifest.sizes
    return [
        *table(("split", "images", "with a mask", "void pixels", "shards", "size"), rows),
        "",
        f"Heights from {sizes['min_height']} to {sizes['max_height']}, widths from {sizes['min_width']} to "
        f"{sizes['max_width']} pixels. Masks hold the train ids below and {manifest.ignore_index} for void, which is ignored.",
    ]


def classes(manifest: Manifest, numbers: Sequence[SplitNumbers]) -> list[str]:
    labelled = [entry for entry in numbers if entry.with_mask]
    head = ["id", "class", "colour (RGB)"]
    head += [f"{entry.split} {what}" for entry in labelled for what in ("pixels", "images")]
    rows = []
    for index, (name, colour) in enumerate(zip(manifest.classes, manifest.palette, strict=True)):
        cells: list[object] = [index, name, ",".join(map(str, colour))]
        for entry in labelled:
            cells += [f"{entry.classes[index].share:.3%}", entry.classes[index].images]
        rows.append(cells)
    return table(head, rows)


def labelled_splits(data: Path, manifest: Manifest) -> list[str]:
    """Split files of these data; of others only the names."""
    rows, others = [], []
    for path in sorted((data / "splits").glob("*.json")):
        try:
            split = load_labelled_split(data, path.stem)
        except DataError:
            others.append(path.stem)
            continue
        if split.data_hash != manifest.content_hash:
            others.append(path.stem)
            continue
        covered = sum(count > 0 for count in split.images_per_class)
        rows.append((split.name, len(split.ids), covered, split.rule, split.seed, f"`{split.content_hash[:16]}`"))
    lines = table(("name", "images", "classes shown", "rule", "seed", "content hash"), rows) if rows else ["None yet."]
    return [*lines, *(["", f"Of other data, or unreadable: {', '.join(others)}."] if others else [])]


def left_out(data: Path, manifest: Manifest) -> list[str]:
    """Quarantined images by the beginning of their reason."""
    if not manifest.quarantined:
        return ["Nothing."]
    with (data / QUARANTINE).open(newline="") as file:
        reasons = Counter(row["reason"].partition(":")[0] for row in csv.DictReader(file))
    return [
        f"{manifest.quarantined} images; `{QUARANTINE}` names each.",
        "",
        *table(("reason", "images"), sorted(reasons.items())),
    ]


def making(manifest: Manifest) -> list[str]:
    options = [(name, f"`{json.dumps(value)}`") for name, value in sorted(manifest.options.items())]
    shards = [
        (shard.file, shard.rows, shard.bytes, f"`{shard.sha256}`")
        for s in manifest.splits.values()
        for shard in s.shards
    ]
    return [
        f"`python -m data_prep {manifest.source}`; the same files and options give the same bytes.",
        "",
        *table(("option", "value"), [("source", f"`{json.dumps(manifest.source)}`"), *options]),
        "",
        f"Content hash `{manifest.content_hash}`, manifest version {manifest.schema_version}.",
        "",
        *table(("shard", "rows", "bytes", "sha256"), shards),
    ]


def leaks(data: Path, manifest: Manifest) -> list[str]:
    """The summary of leaks.json, where it was made from these data."""
    try:
        found: dict[str, Any] = json.loads((data / LEAKS).read_text())
        if found["data_hash"] != manifest.content_hash:
            raise ValueError("of other data")
        rows = [
            (f"{entry['first']}, {entry['second']}", entry["exact"], entry["near"], ", ".join(entry["groups"]) or "-")
            for entry in found["between"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return ["Not looked for yet: `python -m data_prep leaks DATA`, then write the card again."]
    return table(("splits", "equal images", f"similar pairs ({found['near_bits']} of 64 bits)", "groups in both"), rows)


def reading(manifest: Manifest) -> list[str]:
    first = next(iter(manifest.splits.values())).shards[0].file
    files = ", ".join(f'"{name}": "{name}-*.arrow"' for name in manifest.splits)
    return [
        "```python",
        "import pyarrow",
        f'table = pyarrow.ipc.open_file(pyarrow.memory_map("{first}")).read_all()  # random access, no copy',
        "",
        "from datasets import load_dataset",
        f'rows = load_dataset("arrow", data_files={{{files}}}, streaming=True)',
        "```",
        "",
        "Columns: `id`, `image` and `mask` (encoded bytes; `mask` is null for an unlabelled image), `height`, `width`, "
        "`classes` (train ids in the mask).",
    ]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table; an upright bar or a line break in a cell does not break it."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines]


def _cell(value: object) -> str:
    return " ".join(str("" if value is None else value).replace("|", "\\|").split())
