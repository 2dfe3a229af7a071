"""What the files say before a kill and after: nothing here asks the code that is under test."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import yaml
from optuna.trial import TrialState

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
REDUCTION = 2


@dataclass(frozen=True)
class Seen:
    """One trial: its files' bytes, the lines of its reports by iteration, and where it would go on from."""

    params: bytes
    outcome: bytes | None
    lines: dict[int, str]
    checkpoint: int
    starts: list[dict[str, int]] = field(default_factory=list)


def look(root: Path) -> dict[str, Seen]:
    """Every trial that was issued."""
    return {path.parent.name: _seen(path.parent) for path in sorted(root.glob("trials/*/params.json"))}


def _seen(folder: Path) -> Seen:
    outcome = folder / "outcome.json"
    return Seen(
        (folder / "params.json").read_bytes(),
        outcome.read_bytes() if outcome.is_file() else None,
        {line["iteration"]: text for text, line in json_lines(folder / "result.jsonl")},
        checkpoint(folder),
        [line for _, line in json_lines(folder / "starts.jsonl")],
    )


def json_lines(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The whole lines of a file; a cut one is left out."""
    found = []
    for text in path.read_text().splitlines() if path.is_file() else ():
        try:
            found.append((text, json.loads(text)))
        except json.JSONDecodeError:
            continue
    return found


def checkpoint(folder: Path) -> int:
    """Iteration of the newest whole checkpoint, by a plain process's folders or by Ray Train's own record; 0 for none."""
    snapshot = folder / "checkpoint_manager_snapshot.json"
    if snapshot.is_file():
        try:
            latest = json.loads(snapshot.read_text())["latest_checkpoint_result"]
        except (json.JSONDecodeError, KeyError):
            return 0
        return int(latest["checkpoint_dir_name"].removeprefix("iteration_")) if latest else 0
    return max((int(path.name) for path in folder.glob("checkpoints/*") if path.name.isdigit()), default=0)


def state(seen: Seen) -> str:
    return str(json.loads(seen.outcome)["state"]) if seen.outcome else "unfinished"


def compare(before: dict[str, Seen], after: dict[str, Seen]) -> list[str]:
    """What a kill lost or changed: finished trials, parameters, reports that a checkpoint covers."""
    wrong = []
    for id, old in before.items():
        new = after.get(id)
        if new is None:
            wrong.append(f"trial {id} is lost")
            continue
        if new.params != old.params:
            wrong.append(f"trial {id}: parameters changed")
        if old.outcome is not None and new.outcome != old.outcome:
            wrong.append(f"trial {id}: outcome changed")
        covered = {at: text for at, text in old.lines.items() if at <= old.checkpoint or old.outcome}
        again = [at for at, text in covered.items() if new.lines.get(at) != text]
        if again:
            wrong.append(
                f"trial {id}: reports at {again} were lost or made again, its checkpoint was at {old.checkpoint}"
            )
        wrong += _went_on(id, old, new)
    return wrong


def _went_on(id: str, old: Seen, new: Seen) -> list[str]:
    """The start after the kill went on from the checkpoint that lay there, or from a later one."""
    later = new.starts[len(old.starts) :]
    if old.outcome is None and later and later[0]["iteration"] < old.checkpoint:
        return [f"trial {id}: went on from {later[0]['iteration']}, its checkpoint was at {old.checkpoint}"]
    return []


def went_on(before: dict[str, Seen], after: dict[str, Seen]) -> list[str]:
    """In words, for the table: where each unfinished trial went on from."""
    said = []
    for id, old in before.items():
        if old.outcome is None:
            later = after[id].starts[len(old.starts) :]
            said.append(f"{id} from {later[0]['iteration'] if later else old.checkpoint}")
    return said


def check_whole(root: Path, trials: int) -> list[str]:
    """The finished campaign: the total exact, nothing doubled, nothing open, study and table say what the files say."""
    seen = look(root)
    wrong = [f"trial {id} has no outcome" for id, trial in seen.items() if trial.outcome is None]
    if list(seen) != [f"{number:04d}" for number in range(trials)]:
        wrong.append(f"{trials} trials were asked for, there are {list(seen)}")
    drawn = [json.dumps(json.loads(trial.params)["params"], sort_keys=True) for trial in seen.values()]
    if len(set(drawn)) != len(drawn):
        wrong.append("two trials have the same parameters")
    for id, trial in seen.items():
        wrong += _check_reports(root / "trials" / id, trial)
    for leftover in [root / "stop", *root.glob("trials/*/error.txt")]:
        if leftover.exists():
            wrong.append(f"{leftover.relative_to(root)} is left behind")
    return wrong + _check_study(root, seen) + check_rungs(root)


def _check_reports(folder: Path, trial: Seen) -> list[str]:
    at = [line["iteration"] for _, line in json_lines(folder / "result.jsonl")]
    wrong = [] if at == sorted(set(at)) else [f"{folder.name}: reports do not rise, or are doubled: {at}"]
    scored = [line["iteration"] for _, line in json_lines(folder / "result.jsonl") if "miou" in line]
    steps = {late - early for early, late in zip([0, *scored], scored, strict=False)}
    if len(steps) > 1:
        wrong.append(f"{folder.name}: a report is missing: {scored}")
    if trial.outcome and state(trial) != "failed" and json.loads(trial.outcome)["iteration"] != max(scored, default=0):
        wrong.append(f"{folder.name}: its outcome is not its last report's")
    return wrong


def _check_study(root: Path, seen: dict[str, Seen]) -> list[str]:
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(root / "study.journal")))
    try:
        told = optuna.load_study(study_name=root.name, storage=storage).trials
    except KeyError:
        return ["study: there is none"]
    wrong = [f"study: trial {trial.number} is {trial.state.name}" for trial in told if not trial.state.is_finished()]
    if len(told) != len(seen):
        wrong.append(f"study: {len(told)} trials, the files have {len(seen)}")
    for trial, (id, files) in zip(told, seen.items(), strict=False):
        if files.outcome and trial.state != STATES[state(files)]:
            wrong.append(f"study: trial {id} is {trial.state.name}, its files say {state(files)}")
        params = json.loads(files.params)["params"]
        if any(trial.params.get(name) != value for name, value in params.items()):
            wrong.append(f"study: trial {id} has other parameters than its files")
        scores = {at: json.loads(text)["miou"] for at, text in files.lines.items() if "miou" in text}
        if trial.intermediate_values != scores:
            wrong.append(f"study: trial {id} has other scores than its files")
    return wrong


def check_rungs(root: Path) -> list[str]:
    """Replay asynchronous halving: at each rung the decisions form one gapless order, each cut-off follows from the scores
    before it, each decision from its cut-off, and each trial's end from its decisions."""
    wrong = []
    at_rung: dict[int, list[tuple[int, str, dict[str, Any]]]] = {}
    for id, trial in look(root).items():
        noted = [line for _, line in json_lines(root / "trials" / id / "rungs.jsonl")]
        for line in noted:
            if line["iteration"] != line["rung"]:
                wrong.append(f"{id}: decided at {line['iteration']} what was due at {line['rung']}")
            at_rung.setdefault(line["rung"], []).append((line["among"], id, line))
            if json.loads(trial.lines[line["iteration"]])["miou"] != line["score"]:
                wrong.append(f"{id}: decided at {line['rung']} on a score that it has not reported")
        stopped = [line["iteration"] for line in noted if not line["goes_on"]]
        if (state(trial) == "pruned") != bool(stopped) or (stopped and max(trial.lines) != stopped[0]):
            wrong.append(f"{id}: {state(trial)} at {max(trial.lines, default=0)}, stopped at {stopped}")
    for rung, entries in at_rung.items():
        entries.sort(key=lambda entry: entry[0])
        if [among for among, _, _ in entries] != list(range(len(entries))):
            wrong.append(f"rung {rung}: lost or doubled, {[(among, id) for among, id, _ in entries]}")
        scores = [line["score"] for _, _, line in entries]
        for number, (_, id, line) in enumerate(entries):
            cutoff = float(np.percentile(scores[:number], 100 * (1 - 1 / REDUCTION))) if number else None
            if cutoff != line["cutoff"] or line["goes_on"] != (cutoff is None or line["score"] >= cutoff):
                wrong.append(f"rung {rung}, trial {id}: decided {line}, replayed cut-off {cutoff}")
    reached = sum(rung <= at for rung in at_rung for t in look(root).values() for at in t.lines if at == rung)
    if reached != sum(map(len, at_rung.values())):
        wrong.append(f"rungs: {reached} reports came to one, {sum(map(len, at_rung.values()))} decisions were taken")
    return wrong


def same_as(reference: Path, root: Path, *, outcomes: bool = True) -> list[str]:
    """Every trial has the parameters that it has in a campaign that was never killed, and ended alike."""
    there, here = look(reference), look(root)
    wrong = [f"trial {id}: other parameters than unkilled" for id in there if here[id].params != there[id].params]
    if outcomes:
        for id in there:
            if _end(here[id]) != _end(there[id]):
                wrong.append(f"trial {id}: ended {_end(here[id])}, unkilled {_end(there[id])}")
    return wrong


def _end(trial: Seen) -> tuple[Any, ...]:
    outcome = json.loads(trial.outcome or b"{}")
    return tuple(outcome.get(name) for name in ("state", "iteration", "miou", "reason"))


def total(root: Path) -> int:
    return int(yaml.safe_load((root / "campaign.yaml").read_text())["trials"])
