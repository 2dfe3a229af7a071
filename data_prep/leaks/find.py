"""Compare every two splits, and every labelled split with the splits that are scored."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data_prep.console import Say
from data_prep.errors import UsageError
from data_prep.files import write_whole
from data_prep.labelled.groups import group_ids
from data_prep.leaks.hashed import Hashed, hash_split
from data_prep.leaks.likeness import FAR, near_pairs
from data_prep.leaks.report import PAIRS_SHOWN, Between, LabelledLeak, Leaks, Pair
from data_prep.schema import DataError, Manifest, load_labelled_split, load_manifest

LEAKS = "leaks.json"
NEAR = 8  # of 64 bits; docs/data.md has what it finds and what it mistakes
GROUPS_OF = {"camvid": "camvid", "cityscapes": "cityscapes"}  # source → grouping, unless another is named


def find_leaks(data: Path, *, near: int = NEAR, group: str = "", say: Say) -> Leaks:
    """Compare every two splits, and every labelled split with val and test; write DATA/leaks.json.

    near: bits of 64 up to which two pictures are called near, at most FAR. Raises UsageError, DataError."""
    if not 0 <= near <= FAR:
        raise UsageError(
            f"--near {near}: from 0 to {FAR} bits; two pictures that have nothing in common differ in about 32."
        )
    manifest = load_manifest(data)
    spec = group or GROUPS_OF.get(manifest.source, "")
    hashed = {name: hash_split(data, manifest, name, say) for name in manifest.splits}
    groups = {name: group_ids(spec, split.ids) if spec else {} for name, split in hashed.items()}
    names = list(hashed)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    found = Leaks(
        data_hash=manifest.content_hash,
        near_bits=near,
        group=spec,
        between=tuple(_between((a, b), (hashed[a], hashed[b]), (groups[a], groups[b]), near) for a, b in pairs),
        labelled=tuple(_labelled(data, manifest, hashed, groups, near)),
    )
    write_whole(data / LEAKS, json.dumps(found.to_dict(), indent=1, sort_keys=True) + "\n")
    return found


def _between(
    names: tuple[str, str], hashed: tuple[Hashed, Hashed], groups: tuple[dict[str, str], dict[str, str]], near: int
) -> Between:
    first, second = hashed
    pairs = near_pairs(first.hashes, second.hashes)
    counts = Counter(first.digests), Counter(second.digests)
    sizes = Counter(groups[0].values()), Counter(groups[1].values())
    return Between(
        first=names[0],
        second=names[1],
        exact=sum(counts[0][digest] * counts[1][digest] for digest in counts[0].keys() & counts[1].keys()),
        near=sum(pairs.histogram[: near + 1]),
        first_images=int((pairs.first_has <= near).sum()),
        second_images=int((pairs.second_has <= near).sum()),
        histogram=pairs.histogram,
        nearest=tuple(
            Pair(bits, first.ids[i], second.ids[j], first.digests[i] == second.digests[j], (i, j))
            for place, (bits, i, j) in enumerate(pairs.nearest)
            if bits <= near or place < PAIRS_SHOWN
        ),
        groups={name: (sizes[0][name], sizes[1][name]) for name in sorted(sizes[0].keys() & sizes[1].keys())},
    )


def _labelled(
    data: Path, manifest: Manifest, hashed: dict[str, Hashed], groups: dict[str, dict[str, str]], near: int
) -> Iterator[LabelledLeak]:
    """Split files that belong to these data; `verify` reports the others."""
    for path in sorted((data / "splits").glob("*.json")):
        try:
            split = load_labelled_split(data, path.stem)
        except DataError:
            continue
        if split.data_hash != manifest.content_hash or "train" not in hashed:
            continue
        chosen = set(split.ids)
        is_chosen = np.array([name in chosen for name in hashed["train"].ids], bool)
        held = {groups["train"][name] for name in chosen} if groups["train"] else set()
        for other in manifest.splits:
            if other != "train":
                pairs = near_pairs(hashed["train"].hashes[is_chosen], hashed[other].hashes)
                shared = tuple(sorted(held & set(groups[other].values())))
                yield LabelledLeak(split.name, other, int((pairs.second_has <= near).sum()), shared)
