"""CTT's Table 7: queue size N_q of the memory bank, HC and LC without CT, on Cityscapes. Labelled split n372_s0, drawn here."""

from tune_spaces.recipes import protocols
from tune_spaces.recipes.ablation import ablation
from tune_spaces.recipes.protocols import SUPERVISED, parts

NAME = "table7"
CONTRAST = parts(ct=False, hc=True, lc=True)
FIGURES = {64: 60.91, 128: 62.30, 256: 61.83, 512: 62.36, 1024: 60.85}
RECIPE = ablation(
    7,
    "queue size",
    "n_q",
    (
        ("0", "N_q = 0", SUPERVISED, 56.96),
        *((str(size), f"N_q = {size}", {**CONTRAST, "n_q": size}, figure) for size, figure in FIGURES.items()),
    ),
    protocols.WITHOUT_CT_NOTE,
    protocols.BASELINE_NOTE,
    against="0",
    row_notes={"0": "no bank: the baseline, 57.74 in Tables 1 and 4"},
)
