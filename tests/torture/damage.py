"""What a kill may leave in a campaign's folder, made by hand: kills that land inside one write are too rare to wait for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

from torture.subject import EVERY, ITERATIONS, score
from torture.witness import json_lines, look

RUNGS = (10, 20, 40)  # of the subject's ladder


def half_a_report(root: Path, rng: Random) -> str:
    """Cut inside the line that was being appended; its checkpoint comes later, so there is none."""
    folder = _unfinished(root, rng)
    if folder is None:
        return ""
    with (folder / "result.jsonl").open("a") as out:
        out.write('{"iteration": 79, "seconds": 0.')
    return f"half a line in {folder.name}/result.jsonl"


def report_without_checkpoint(root: Path, rng: Random) -> str:
    """Died between a line and its checkpoint, which is half written beside its place. Not behind a rung that nothing has been
    decided of: a trial waits there."""
    folder = _unfinished(root, rng)
    places = sorted(path for path in folder.glob("checkpoints/*") if path.name.isdigit()) if folder else []
    if folder is None or not places or int(places[-1].name) >= ITERATIONS:
        return ""
    noted = [line["iteration"] for _, line in json_lines(folder / "rungs.jsonl")]
    if int(places[-1].name) in RUNGS and int(places[-1].name) not in noted:
        return ""
    reports = [line for _, line in json_lines(folder / "result.jsonl")]
    at = int(places[-1].name) + EVERY
    values = json.loads((folder / "params.json").read_text())["params"]
    if at not in [line["iteration"] for line in reports]:
        next_line = {**reports[-1], "iteration": at, "miou": score(values["lr"], values["phi"], at)}
        with (folder / "result.jsonl").open("a") as out:
            out.write(json.dumps(next_line) + "\n")
    beside = places[-1].with_name(f"{at:08d}.part")
    shutil.copytree(places[-1], beside, dirs_exist_ok=True)
    (beside / "state.json").unlink(missing_ok=True)
    return f"checkpoint {at} of {folder.name} half written, its report whole"


def half_written_jsons(root: Path, rng: Random) -> str:
    """Every whole-or-not file with its unfinished twin, and a trial folder that has nothing else."""
    text = json.dumps({"id": "0000", "params": {"lr": 0.5}})[:-9]
    for path in [*root.glob("trials/*/params.json"), root / "campaign.yaml", root / "trials.csv", root / "best.yaml"]:
        path.with_name(path.name + ".part").write_text(text)
    for folder in root.glob("trials/*"):
        (folder / "outcome.json.part").write_text(text)
    issued = len(list(root.glob("trials/*/params.json")))
    unborn = root / "trials" / f"{issued:04d}"
    unborn.mkdir(exist_ok=True)
    (unborn / "params.json.part").write_text(text)
    return f"*.part files, trial {unborn.name} without parameters"


def stale_locks(root: Path, rng: Random) -> str:
    for path in [root / ".lock", root / "study.journal.lock", *(f / ".lock" for f in root.glob("trials/*"))]:
        path.touch()
    return "lock files"


def no_study(root: Path, rng: Random) -> str:
    (root / "study.journal").unlink(missing_ok=True)
    shutil.rmtree(root / ".ray", ignore_errors=True)
    return "study and Ray's folder deleted"


def half_a_study(root: Path, rng: Random) -> str:
    path = root / "study.journal"
    if not path.is_file():
        return ""
    raw = path.read_bytes()
    path.write_bytes(raw[: rng.randrange(len(raw) // 2, len(raw))] if len(raw) > 2 else b"")
    return "study cut short"


def a_stop_file(root: Path, rng: Random) -> str:
    (root / "stop").touch()
    return "the stop file of a stopping campaign"


def half_a_decision(root: Path, rng: Random) -> str:
    folder = _unfinished(root, rng)
    if folder is None:
        return ""
    with (folder / "rungs.jsonl").open("a") as out:
        out.write('{"rung": 80, "itera')
    return f"half a line in {folder.name}/rungs.jsonl"


def half_a_snapshot(root: Path, rng: Random) -> str:
    """Ray Train rewrites its record of checkpoints in place: a kill inside leaves it empty or cut."""
    found = sorted(
        path
        for path in root.glob("trials/*/checkpoint_manager_snapshot.json")
        if not (path.parent / "outcome.json").exists()
    )
    if not found:
        return ""
    path = rng.choice(found)
    raw = path.read_bytes()
    path.write_bytes(raw[: rng.choice([0, len(raw) // 2])])
    return f"Ray Train's record of {path.parent.name} cut at {path.stat().st_size} of {len(raw)} bytes"


Damage = Callable[[Path, Random], str]


def _unfinished(root: Path, rng: Random) -> Path | None:
    ids = [id for id, seen in look(root).items() if seen.outcome is None and seen.lines]
    return root / "trials" / rng.choice(ids) if ids else None
