"""GTA-Seg (arXiv 2301.07340) on Cityscapes at full resolution, DeepLabV3+. Labelled splits gta_186, gta_372 and gta_744: the
lists of the GTA-Seg repository."""

from tune_spaces.recipe import Column, Labels, Line, Recipe, crossed
from tune_spaces.recipes import protocols
from tune_spaces.recipes.gta_seg import METHOD, SOURCE, TEACHER

NAME = "gta_seg_cityscapes"
COLUMNS = tuple(Column(str(count), f"gta_{count}", count) for count in (186, 372, 744))
RECIPE = Recipe(
    title="GTA-Seg: Cityscapes val, DeepLabV3+ ResNet-101, full resolution, sliding window",
    source=SOURCE,
    base={
        **protocols.CITYSCAPES,
        "arch": "deeplabv3plus",
        "batch_labelled": 16,
        "batch_unlabelled": 16,
        "crop": (769, 769),
        "scale": (0.5, 2.0),
        "lr": 1e-2,
        "weight_decay": 5e-4,
        "ohem_keep": 0.085,
        "sync_bn": True,
        "eval_mode": "slide",
        "iterations": 35_000,
    },
    pool=protocols.CITYSCAPES_POOL,
    rows=crossed((Line("GTA-Seg", METHOD, (69.38, 72.02, 76.08)),), COLUMNS),
    splits={column.split: Labels(column.count, "GTA-Seg's lists for Cityscapes") for column in COLUMNS},
    network="teacher",
    notes=(
        TEACHER,
        "GTA-Seg has not released its Cityscapes configuration: these are U2PL's values, but for its auxiliary head. That "
        "its hardest pixels are 100,000 a GPU (0.085 of a batch of 2) is from general knowledge.",
        "200 epochs are 27,888 to 34,863 steps of 16 images; here 35,000 for all.",
        "With 100 labels its figure is unknown.",
    ),
)
