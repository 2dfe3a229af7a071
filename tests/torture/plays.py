"""The long suite: which campaigns are played, and what is killed in each. python tests/torture/plays.py OUT [NAME ...]

Each play returns its rows; what is wrong stands in them, or is raised where the campaign as a whole is wrong.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tiny_scenes import make_scenes
from torture import damage, kills
from torture.harness import SUBJECT, Play, Row, write_table
from torture.witness import check_whole, same_as

NET = ["backbone=mobilenet_v2", "width=0.25", "feature_dim=8", "crop=[32, 32]", "eval_limit=1"]


def two_at_once(folder: Path, seed: int) -> list[Row]:
    root = folder / "two"
    play = Play("two at once", _subject(root, trials=30, pause=0.05), root, seed)
    rows = play.run(
        [
            (kills.campaign_while_starting, (damage.stale_locks,)),
            (kills.writing_params, ()),
            (kills.trial, ()),
            (kills.campaign_under_way, (damage.half_a_report, damage.half_a_study)),
            (kills.writing_study, (damage.report_without_checkpoint, damage.stale_locks)),
            (kills.own_raylet, (damage.half_a_decision,)),
            (kills.trial, ()),
            (kills.writing_report, ()),
            (kills.everything, (damage.half_written_jsons, damage.a_stop_file)),
            (kills.writing_checkpoint, ()),
            (kills.campaign_while_starting, (damage.no_study,)),
            (kills.writing_outcome, (damage.half_a_report,)),
        ]
    )
    return _whole(rows, check_whole(root, 30))


def one_at_a_time(folder: Path, seed: int) -> list[Row]:
    """The same command unkilled beside it: every trial is to have the same parameters and end alike."""
    reference, root = folder / "unkilled", folder / "one"
    Play("unkilled", _subject(reference, trials=14, pause=0.0, concurrent=1), reference, seed).run([])
    play = Play("one at a time", _subject(root, trials=14, pause=0.02, concurrent=1), root, seed)
    rows = play.run(
        [
            (kills.writing_decision, ()),
            (kills.trial, ()),
            (kills.campaign_at_checkpoint, (damage.half_a_report,)),
            (kills.campaign_under_way, (damage.no_study,)),
            (kills.writing_outcome, ()),
            (kills.writing_params, (damage.half_written_jsons,)),
            (kills.everything, (damage.report_without_checkpoint,)),
            (kills.writing_decision, ()),
        ]
    )
    return _whole(rows, check_whole(root, 14) + same_as(reference, root))


def joined(folder: Path, seed: int) -> list[Row]:
    """A cluster of three nodes of one CPU, joined by its address."""
    root = folder / "joined"
    play = Play("joined cluster", _subject(root, trials=20, pause=0.05), root, seed, cluster=(1, 1, 1))
    rows = play.run(
        [
            (kills.node, ()),
            (kills.campaign_under_way, (damage.half_a_study,)),
            (kills.node, ()),
            (kills.writing_checkpoint, ()),
            (kills.writing_study, ()),
        ]
    )
    return _whole(rows, check_whole(root, 20))


def real_training(folder: Path, seed: int) -> list[Row]:
    """The project's own command and loop, one process a trial, on images of 32 pixels."""
    root = folder / "real"
    short = ["iterations=32", "report_every=4"]
    command = ["-m", "ctt_ray.tune", "--space", "demo", "--trials", "4", *_place(folder, root)]
    command += ["--allow-twins", "--set", *NET, *short]  # 32 steps do not fill a queue, so contrast has no effect yet
    rows = Play("real training", command, root, seed).run(
        [
            (kills.campaign_while_starting, ()),
            (kills.train_driver, ()),
            (kills.campaign_under_way, (damage.half_a_report, damage.stale_locks)),
            (kills.campaign_at_checkpoint, (damage.no_study,)),
        ]
    )
    return _whole(rows, check_whole(root, 4))


def two_workers(folder: Path, seed: int) -> list[Row]:
    """Two Ray Train workers a trial, on two CPUs."""
    root = folder / "workers"
    command = ["-m", "ctt_ray.tune", "--space", "demo", "--trials", "3", "--scheduler", "none", "--workers", "2"]
    command += ["--cpus-per-trial", "1", *_place(folder, root)]
    command += ["--allow-twins", "--set", *NET, "iterations=40", "report_every=4"]  # as short as in real_training
    rows = Play("two workers a trial", command, root, seed).run(
        [
            (kills.train_worker, ()),
            (kills.campaign_under_way, (damage.half_a_snapshot,)),
            (kills.train_driver, ()),
            (kills.everything, (damage.half_a_report,)),
        ]
    )
    return _whole(rows, check_whole(root, 3))


PLAYS: dict[str, Callable[[Path, int], list[Row]]] = {
    "two_at_once": two_at_once,
    "one_at_a_time": one_at_a_time,
    "joined": joined,
    "real_training": real_training,
    "two_workers": two_workers,
}
SEED = 2026


def _subject(root: Path, *, trials: int, pause: float, concurrent: int = 2) -> list[str]:
    flags = {"trials": trials, "pause": pause, "concurrent": concurrent}
    return [str(SUBJECT), str(root), *(text for name, value in flags.items() for text in (f"--{name}", str(value)))]


def _place(folder: Path, root: Path) -> list[str]:
    data = make_scenes(folder / "images")
    return ["--data", str(data), "--labelled", "few", "--storage", str(root.parent), "--name", root.name]


def _whole(rows: list[Row], wrong: Sequence[str]) -> list[Row]:
    """What is wrong with the finished campaign goes to its last row."""
    rows[-1].wrong += wrong
    rows[-1].found += "; the whole campaign checked: total, study, rungs, reports"
    return rows


def main(out: Path, names: Sequence[str]) -> int:
    rows: list[Row] = []
    failed = False
    for name in names or PLAYS:
        folder = Path(tempfile.mkdtemp(prefix="torture_"))  # left behind where something raises, to be looked at
        try:
            found = PLAYS[name](folder, SEED)
        except AssertionError as error:
            print(f"{name}: {error}; see {folder}", flush=True)
            failed = True
            continue
        shutil.rmtree(folder)
        rows += found
        write_table(rows, out)
        print(f"{name}: {len(found)} kills, {sum(bool(row.wrong) for row in found)} of them found wrong", flush=True)
    return int(failed or any(row.wrong for row in rows))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
