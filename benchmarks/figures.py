"""Figures of docs/results out of run folders.

python -m benchmarks.figures curves --out curves.png supervised=runs/sup_0,runs/sup_1 ctt=runs/ctt_0,runs/ctt_1
python -m benchmarks.figures grid --out grid.png --data data/camvid --images 4 supervised=runs/sup_0 ctt=runs/ctt_0

The figures of a campaign are the report's: python -m ctt_ray.report CAMPAIGN --png
"""

from __future__ import annotations

import argparse
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


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("curves", "grid"))
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--images", type=int, default=4)
    args = parser.parse_args(argv)
    runs = {label: [Path(p) for p in paths.split(",")] for label, _, paths in (r.partition("=") for r in args.runs)}
    if args.what == "curves":
        return curves(runs, args.out)
    return grid(runs, args.out, data=args.data, images=args.images)


if __name__ == "__main__":
    sys.exit(main())
