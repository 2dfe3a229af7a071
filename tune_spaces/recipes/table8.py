"""CTT's Table 8: confidence threshold φ between the two contrastive losses, without CT, on Cityscapes. Labelled split n372_s0,
drawn here."""

from tune_spaces.recipes import protocols
from tune_spaces.recipes.ablation import ablation
from tune_spaces.recipes.protocols import parts

NAME = "table8"
CONTRAST = parts(ct=False, hc=True, lc=True)
FIGURES = {"0": 60.79, "0.75": 62.30, "0.85": 62.24, "0.95": 62.16, "1": 61.31}
RECIPE = ablation(
    8,
    "threshold φ",
    "phi",
    tuple((phi, f"φ = {phi}", {**CONTRAST, "phi": float(phi)}, figure) for phi, figure in FIGURES.items()),
    protocols.WITHOUT_CT_NOTE,
    "φ = 0 leaves HC alone and has Table 4's figure for it; φ = 1 leaves LC alone, likewise.",
    against="0.75",
    row_notes={"0": "HC alone", "1": "LC alone"},
)
