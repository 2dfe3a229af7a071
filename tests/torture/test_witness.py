"""The checker of the torture suite sees what it is there to see: each fault is made by hand and has to be found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from torture.witness import check_rungs, compare, look, same_as

SCORES = {"0000": {10: 5.0, 20: 6.0}, "0001": {10: 4.0}, "0002": {10: 7.0, 20: 8.0}}
CUTOFFS = {"0001": {10: 5.0}, "0002": {10: 4.5, 20: 6.0}}


def write(root: Path) -> Path:
    """Three trials: 0001 stopped at 10, 0002 unfinished at 20 with a checkpoint there."""
    order: dict[int, int] = {}
    for id, scores in SCORES.items():
        trial = root / "trials" / id
        trial.mkdir(parents=True)
        (trial / "params.json").write_text(json.dumps({"id": id, "params": {"lr": int(id) + 0.5}}))
        lines, noted = [], []
        for at, miou in scores.items():
            cutoff = CUTOFFS.get(id, {}).get(at)
            known = {"rung": at, "iteration": at, "score": miou, "among": order.get(at, 0), "cutoff": cutoff}
            order[at] = known["among"] + 1
            noted.append(json.dumps({**known, "goes_on": cutoff is None or miou >= cutoff}))
            lines.append(json.dumps({"iteration": at, "miou": miou}))
        (trial / "result.jsonl").write_text("\n".join(lines) + "\n")
        (trial / "rungs.jsonl").write_text("\n".join(noted) + "\n")
        (trial / "starts.jsonl").write_text('{"pid": 1, "iteration": 0}\n')
        if id != "0002":
            state = {"state": "pruned" if id == "0001" else "complete", "iteration": max(scores)}
            (trial / "outcome.json").write_text(json.dumps(state))
    (root / "trials" / "0002" / "checkpoints" / "00000020").mkdir(parents=True)
    return root


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def lose(root: Path) -> None:
    (root / "trials" / "0001" / "params.json").unlink()


def change_parameters(root: Path) -> None:
    replace(root / "trials" / "0002" / "params.json", "2.5", "2.6")


def change_outcome(root: Path) -> None:
    replace(root / "trials" / "0000" / "outcome.json", "complete", "pruned")


def train_again(root: Path) -> None:
    replace(root / "trials" / "0002" / "result.jsonl", "7.0", "7.1")


def start_anew(root: Path) -> None:
    with (root / "trials" / "0002" / "starts.jsonl").open("a") as out:
        out.write('{"pid": 2, "iteration": 10}\n')


def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path) -> None:
    root = write(tmp_path)
    assert compare(look(root), look(root)) == check_rungs(root) == same_as(root, root) == []


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (lose, "is lost"),
        (change_parameters, "parameters changed"),
        (change_outcome, "outcome changed"),
        (train_again, "made again"),
        (start_anew, "went on from 10"),
    ],
)
def test_each_loss_is_found(tmp_path: Path, fault: Callable[[Path], None], word: str) -> None:
    root = write(tmp_path)
    before = look(root)
    fault(root)
    assert any(word in wrong for wrong in compare(before, look(root)))


@pytest.mark.parametrize(
    ("id", "old", "new", "word"),
    [
        ("0002", '"among": 2', '"among": 1', "lost or doubled"),
        ("0002", '"cutoff": 4.5', '"cutoff": 4.0', "replayed cut-off 4.5"),
        ("0002", '"iteration": 10', '"iteration": 20', "due at 10"),
        ("0001", '"goes_on": false', '"goes_on": true', "stopped at []"),
        ("0000", '"score": 6.0', '"score": 6.5', "has not reported"),
    ],
)
def test_each_wrong_decision_is_found(tmp_path: Path, id: str, old: str, new: str, word: str) -> None:
    root = write(tmp_path)
    replace(root / "trials" / id / "rungs.jsonl", old, new)
    assert any(word in wrong for wrong in check_rungs(root))
