"""GTA-Seg (arXiv 2301.07340) on classic VOC 2012, DeepLabV3+. Labelled splits gta_92, gta_183, gta_366, gta_732 and gta_1464:
the lists of the GTA-Seg repository, which are U2PL's."""

from tune_spaces.recipe import Column, Labels, Line, Recipe, crossed
from tune_spaces.recipes import protocols

NAME = "gta_seg"
SOURCE = "GTA-Seg, arXiv 2301.07340, figures as cited by a later paper (ESL) and on the public benchmark page"
TEACHER = "The figure is the teacher's: it is what the released code validates with."
METHOD = {"method": "gta_seg"}
COLUMNS = tuple(Column(str(count), f"gta_{count}", count) for count in (92, 183, 366, 732, 1464))
RECIPE = Recipe(
    title="GTA-Seg: VOC 2012 val, classic splits, DeepLabV3+ ResNet-101",
    source=SOURCE,
    base={
        **protocols.CLASSIC,
        "output_stride": 8,
        "batch_labelled": 12,
        "batch_unlabelled": 12,
        "crop": (513, 513),
        "scale": (0.5, 2.0),
        "lr": 1e-3,
        "weight_decay": 1e-4,
        "sync_bn": True,
        "iterations": 70_000,
    },
    pool=protocols.VOC_POOL,
    rows=crossed((Line("GTA-Seg", METHOD, (70.02, 73.16, 75.57, 78.37, 80.47)),), COLUMNS),
    splits={column.split: Labels(column.count, "GTA-Seg's lists for classic VOC") for column in COLUMNS},
    network="teacher",
    notes=(
        TEACHER,
        "The released length is 80 epochs of the unlabelled list, 60,787 to 69,933 steps of 12 images; here 70,000 for all.",
        "On the augmented splits its best is 81.01, of which split is unknown; the others are unknown one by one.",
        "The released backbone has multi-grid dilations; ours has not.",
    ),
)
