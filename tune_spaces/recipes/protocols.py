"""What the tables of the CTT paper (arXiv 2209.01327) have in common: data, networks, lengths, CTT's own values.

The values are the paper's where it states them and its released code's where it does not; where neither does, the tables'
notes say what is assumed.
"""

from __future__ import annotations

from typing import Any

from tune_spaces import cityscapes as city
from tune_spaces import paper, voc
from tune_spaces.recipe import Labels, Pool

PAPER = "CTT, arXiv 2209.01327"
_ROWS_SAY = ("labelled", "method", "mixer")

CITYSCAPES: dict[str, Any] = {key: value for key, value in city.BASE.items() if key not in _ROWS_SAY} | {"lr": 2.5e-4}
VOC: dict[str, Any] = {key: value for key, value in voc.BASE.items() if key not in _ROWS_SAY} | {"lr": 2.5e-4}
CLASSIC: dict[str, Any] = {**VOC, "arch": "deeplabv3plus"}

CITYSCAPES_POOL = Pool(train=2975, val=500, classes=19)
VOC_POOL = Pool(train=10_582, val=1_449, classes=21)

COCO = {"init": "MS-COCO weights for student 1 and ImageNet weights for student 2 (released code)"}

# The paper's Cityscapes lists are positions in a directory listing and cannot be recovered: these are drawn.
DRAWN = {f"n{count}_s0": Labels(count) for count in (100, 372, 744, 1487)}

_OWN = {name: value for name, value in paper.DEFAULTS.items() if name not in ("ema_step", "lr")}
CTT: dict[str, Any] = {"method": "ctt", **_OWN, "ema_decay": 0.99}
CTT_CITYSCAPES: dict[str, Any] = {**CTT, "mixer": "classmix"}
SUPERVISED: dict[str, Any] = {"method": "supervised"}


def parts(ct: bool, hc: bool, lc: bool) -> dict[str, Any]:
    """CTT on Cityscapes with some of its losses; a weight of 0 removes one."""
    given = {"lambda_ct": ct, "lambda_hc": hc, "lambda_lc": lc}
    return CTT_CITYSCAPES | {name: 0.0 for name, there in given.items() if not there}


DRAWN_NOTE = (
    "The labelled images are drawn here: the paper's lists are row numbers of a directory listing, not recoverable."
)
RUNS_NOTE = "The paper says neither how many runs a figure rests on nor their spread."
CITED_NOTE = (
    "Figures of other methods are those of their papers, with their own batches, rates and lengths; here all rows have "
    "the protocol of CTT."
)
BASELINE_NOTE = "The baseline with 372 labels is 57.74 in Tables 1 and 4 and 56.96 in Tables 5 and 7."
WITHOUT_CT_NOTE = "Tables 7 to 9 ran without the cross-teacher loss: 62.30 is Table 4's +HC+LC."
