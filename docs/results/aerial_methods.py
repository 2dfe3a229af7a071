"""Every method on aerial photographs, 1 and 3 of 48 photographs labelled, beside few and all labels alone.
Labelled splits img12 (9 crops of 448) and img28 (26 crops). The page: docs/results/2026-11-30_methods.md.

All rows share data, network, batches, steps and learning rate. What belongs to the length of a run is moved to 240 steps, for
every method that has it: the first half on labels alone, EMA decay 0.95, confidence thresholds 0.8. What else a method reads is
its own default, but for the strategies of CTT's Tables 5 and 6, which share one gate and one mixer, so that they differ in who
labels whom.
"""

from __future__ import annotations

from typing import Any

from ctt_ray.methods import METHODS
from tune_spaces.recipe import ALL, Column, Labels, Line, Pool, Recipe, Row, crossed

NAME = "aerial_methods"
BASE: dict[str, Any] = {
    "data": "data/aerial",
    "backbone": "mobilenet_v2",  # give --set init=[FILE] for ImageNet weights
    "feature_dim": 64,
    "crop": (96, 96),
    "scale": (0.75, 1.5),
    "batch_labelled": 4,
    "batch_unlabelled": 4,
    "lr": 0.003,
    "class_weight_power": 0.5,
    "colour_strength": 0.3,
    "hue_strength": 0.0,  # the hue tells the classes
    "blur_p": 0.0,
    "iterations": 240,
    "report_every": 240,
    "warmup": 0.5,
    "ema_decay": 0.95,
    "ct_threshold": 0.8,
}
STRATEGY = {"ct_gate": "pixel", "mixer": "cutmix"}
VALUES = {
    **dict.fromkeys(("mean_teacher", "direct_mutual", "ensemble", "self_training", "dual_teachers"), STRATEGY),
    "ctt": {**STRATEGY, "bank_gate": "present_classes"},
    "cps": {"mixer": "cutmix"},
}
COLUMNS = (Column("1 photograph", "img12", 9), Column("3 photographs", "img28", 26))
LINES = [Line(name, {"method": name, **VALUES.get(name, {})}, (None, None)) for name in METHODS]
FULL = Row("supervised · all (448)", {"method": "supervised", "labelled": ALL}, ALL, {"method": "supervised"}, None)
RECIPE = Recipe(
    title="All methods on aerial photographs, MobileNetV2, 240 steps",
    source="this project",
    base=BASE,
    pool=Pool(train=448, val=150, classes=5),
    rows=(FULL, *crossed(LINES, COLUMNS)),
    splits={column.split: Labels(column.count) for column in COLUMNS},
    reference={"method": "supervised"},
)
