"""A data set card in Markdown, with its two pictures beside it. Nothing in it depends on time or place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from data_prep import card_sections as sections
from data_prep.class_table import SplitNumbers, split_numbers
from data_prep.errors import UsageError
from data_prep.files import write_whole
from data_prep.histogram import draw_histogram
from data_prep.schema import Manifest, load_manifest
from data_prep.sheet import write_png
from data_prep.show import draw_sheet

SAMPLES = 12
SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
)  # as the hub names them
LARGER = "1M<n<10M"


@dataclass(frozen=True)
class Card:
    """The files that were written."""

    card: Path
    sheet: Path
    plot: Path


def write_card(data: Path, out: Path) -> Card:
    """Write the card of a prepared data set, NAME_sheet.png and NAME_classes.png. Raises UsageError, DataError."""
    if out.suffix != ".md":
        raise UsageError(f"--out {out}: the card is Markdown, give it a name that ends in .md.")
    manifest = load_manifest(data)
    numbers = [split_numbers(data, manifest, name) for name in manifest.splits]
    card = Card(out, out.with_name(f"{out.stem}_sheet.png"), out.with_name(f"{out.stem}_classes.png"))
    labelled = [entry for entry in numbers if entry.with_mask]
    draw_sheet(data, manifest, card.sheet, count=SAMPLES, split=(labelled or numbers)[0].split)
    plot = draw_histogram(manifest.classes, manifest.palette, [entry.bars() for entry in labelled or numbers])
    write_png(card.plot, plot)
    in_the_folder = out.resolve().parent == data.resolve()
    front = ["---", yaml.safe_dump(_front(manifest, in_the_folder), sort_keys=False).strip(), "---", ""]
    write_whole(out, "\n".join([*front, *_body(data, manifest, numbers, card)]) + "\n")
    return card


def _front(manifest: Manifest, in_the_folder: bool) -> dict[str, object]:
    """What the hub reads. The licence is a text, so it is 'other' there; paths hold for a card beside the shards only."""
    rows = sum(split.rows for split in manifest.splits.values())
    front: dict[str, object] = {
        "pretty_name": manifest.source,
        "license": "other",
        "task_categories": ["image-segmentation"],
        "size_categories": [next((name for limit, name in SIZES if rows < limit), LARGER)],
    }
    if in_the_folder:
        files = [{"split": name, "path": f"{name}-*.arrow"} for name in manifest.splits]
        front["configs"] = [{"config_name": "default", "data_files": files}]
    return front


def _body(data: Path, manifest: Manifest, numbers: list[SplitNumbers], card: Card) -> list[str]:
    rows = sum(entry.rows for entry in numbers)
    masks = sum(entry.with_mask for entry in numbers)
    parts = {
        "Licence": [manifest.licence],
        "Splits": sections.splits(manifest, numbers),
        "Classes": [*sections.classes(manifest, numbers), "", f"![share of each class]({card.plot.name})"],
        "Labelled splits": sections.labelled_splits(data, manifest),
        "Leaks between the splits": sections.leaks(data, manifest),
        "Left out": sections.left_out(data, manifest),
        "How it is read": sections.reading(manifest),
        "How it was made": sections.making(manifest),
    }
    head = f"{rows} images for semantic segmentation, {masks} with a mask of {len(manifest.classes)} classes."
    lines = [f"# {manifest.source}", "", head, "", f"![samples]({card.sheet.name})"]
    for title, section in parts.items():
        lines += ["", f"## {title}", "", *section]
    return lines
