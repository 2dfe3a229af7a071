"""CTT's Table 6: number of student-teacher pairs, cross-teacher loss alone, on Cityscapes. Labelled split n372_s0, drawn here."""

from tune_spaces.recipes.ablation import ablation
from tune_spaces.recipes.protocols import parts

NAME = "table6"
CT = parts(ct=True, hc=False, lc=False)
RECIPE = ablation(
    6,
    "pairs",
    "pairs",
    (
        ("1", "n = 1", {**CT, "pairs": 1}, 60.34),
        ("2", "n = 2", {**CT, "pairs": 2}, 63.69),
        ("3", "n = 3", {**CT, "pairs": 3}, 63.94),
    ),
    "63.69 is Table 4's +CT, so the table is without HC and LC. With n = 1 the student is labelled by its own teacher.",
    "How the teachers of the other pairs are combined with n = 3 is unknown; here the mean of one loss a teacher.",
    against="1",
    row_notes={"1": "61.35 for mean teacher + ClassMix in Table 5"},
)
