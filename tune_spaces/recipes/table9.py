"""CTT's Table 9: low-level contrast with and without its directional mask, without CT, on Cityscapes. Labelled split n372_s0,
drawn here."""

from tune_spaces.recipes import protocols
from tune_spaces.recipes.ablation import ablation
from tune_spaces.recipes.protocols import parts

NAME = "table9"
CONTRAST = parts(ct=False, hc=True, lc=True)
RECIPE = ablation(
    9,
    "directional mask",
    "directional",
    (
        ("without", "without", {**CONTRAST, "lc_directional": False}, 61.69),
        ("with", "with", {**CONTRAST, "lc_directional": True}, 62.30),
    ),
    protocols.WITHOUT_CT_NOTE,
    "Without the mask the low-confidence test stays and the comparison with the peer goes: the released code's reading, the "
    "paper's formula is not legible in our copy.",
    against="without",
    row_notes={},
)
