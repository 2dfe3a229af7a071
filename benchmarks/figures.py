"""Figures of docs/results out of run folders.

python -m benchmarks.figures curves --out curves.png supervised=runs/sup_0,runs/sup_1 ctt=runs/ctt_0,runs/ctt_1
python -m benchmarks.figures grid --out grid.png --data data/camvid --images 4 supervised=runs/sup_0 ctt=runs/ctt_0
python -m benchmarks.figures campaign --out history.png campaigns/camvid
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from ctt_ray.train.session import read_results

Runs = Mapping[str, Sequence[Path]]
PANELS = {
    "miou/student_mean": "val mIoU of the students, %",
    "miou/teacher_mean": "val mIoU of the teachers, %",
    "pseudo/accuracy": "pseudo-labels that are right",
    "pseudo/coverage": "pseudo-labels above the threshold",
    "bank/min_fill": "rows in the emptiest queue",
    "bank/mean_fill": "rows in a queue, mean",
}


def curves(runs: Runs, out: Path) -> None:
    """Mean over seeds as a line, each seed as a dot; a panel a quantity, methods that lack it are left out."""
    figure, axes = plt.subplots(2, 3, figsize=(13, 7), constrained_layout=True)
    for axis, (key, title) in zip(axes.flat, PANELS.items(), strict=True):
        for index, (label, folders) in enumerate(runs.items()):
            points = [(r["iteration"], r[key]) for f in folders for r in read_results(f) if key in r]
            if not points:
                continue
            steps = sorted({step for step, _ in points})
            mean = [np.mean([float(v) for s, v in points if s == step]) for step in steps]
            axis.plot(steps, mean, color=f"C{index}", label=f"{label} ({len(folders)} seeds)")
            axis.scatter(*zip(*points, strict=True), color=f"C{index}", s=12, alpha=0.5)
        axis.set(title=title, xlabel="iteration")
        axis.grid(alpha=0.3)
        axis.set_ylim(bottom=0)
    axes.flat[0].legend()
    figure.savefig(out, dpi=90)


def grid(runs: Runs, out: Path, *, data: Path, images: int) -> None:
    """image | truth | one column a run (its best student), evenly spaced images of val."""
    import torch

    from ctt_ray.engine.evaluation import probabilities
    from ctt_ray.restored import device, open_run, restore
    from ctt_ray.stream import EvalSet

    opened = {label: open_run(folders[0]) for label, folders in runs.items()}
    nets = {label: restore(c, [c.best_student], device())[c.best_student] for label, c in opened.items()}
    palette = np.zeros((256, 3), np.uint8)
    first = next(iter(opened.values()))
    palette[: len(first.palette)] = first.palette
    figure, axes = plt.subplots(
        images, 2 + len(nets), figsize=(2.6 * (2 + len(nets)), 2.1 * images), constrained_layout=True
    )
    scenes = zip(axes, EvalSet(data, "val", limit=images), strict=True)
    for number, (row, (_, image_13HW, label_1HW)) in enumerate(scenes):
        shown = {"image": image_13HW[0].permute(1, 2, 0).numpy(), "truth": palette[label_1HW[0].numpy()]}
        for label, net in nets.items():
            with torch.no_grad():
                probs = probabilities(
                    net, image_13HW.to(device()), mode="whole", window=opened[label].config.stream.crop
                )
            shown[label] = palette[probs[0].argmax(0).cpu().numpy()]
        for axis, (title, picture) in zip(row, shown.items(), strict=True):
            axis.imshow(picture)
            axis.set_axis_off()
            if number == 0:
                axis.set_title(title)
    figure.savefig(out, dpi=90)


def campaign(folder: Path, out: Path) -> None:
    """Scores in the order of the trials, full length and stopped early apart; and importances at full length."""
    import optuna

    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(folder / "study.journal")))
    (summary,) = optuna.get_all_study_summaries(storage)
    study = optuna.load_study(study_name=summary.study_name, storage=storage)
    done = [t for t in study.trials if t.state.name == "COMPLETE"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.2), constrained_layout=True)
    for state, marker in (("COMPLETE", "o"), ("PRUNED", "x")):
        trials = [t for t in study.trials if t.state.name == state]
        values = [t.value if state == "COMPLETE" else t.intermediate_values[max(t.intermediate_values)] for t in trials]
        left.scatter([t.number for t in trials], values, marker=marker, label=f"{state.lower()} ({len(trials)})")
    left.plot([t.number for t in done], np.maximum.accumulate([t.value for t in done]), color="C2", label="best so far")
    left.set(title="val mIoU a trial, % (pruned: at its last report)", xlabel="trial")
    left.legend()
    if len(done) > 2:
        weights = optuna.importance.get_param_importances(study)
        right.barh(list(weights)[::-1], list(weights.values())[::-1])
        print(json.dumps(weights))
    right.set(title=f"importance of the parameters, {len(done)} complete trials")
    figure.savefig(out, dpi=90)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("curves", "grid", "campaign"))
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--images", type=int, default=4)
    args = parser.parse_args(argv)
    if args.what == "campaign":
        return campaign(Path(args.runs[0]), args.out)
    runs = {label: [Path(p) for p in paths.split(",")] for label, _, paths in (r.partition("=") for r in args.runs)}
    if args.what == "curves":
        return curves(runs, args.out)
    return grid(runs, args.out, data=args.data, images=args.images)


if __name__ == "__main__":
    sys.exit(main())
