"""CTT's Table 1: methods by labelled images on Cityscapes at half resolution, DeepLabV2. Labelled splits n100_s0, n372_s0,
n744_s0 and n1487_s0, drawn here; every method in CTT's protocol."""

from tune_spaces.recipe import ALL, Column, Line, Recipe, Row, crossed, noted
from tune_spaces.recipes import protocols
from tune_spaces.recipes.protocols import CTT_CITYSCAPES, SUPERVISED

NAME = "table1"
COLUMNS = (
    Column("1/30", "n100_s0", 100),
    Column("1/8", "n372_s0", 372),
    Column("1/4", "n744_s0", 744),
    Column("1/2", "n1487_s0", 1487),
)
LINES = (
    Line("Sup. baseline", SUPERVISED, (48.36, 57.74, 61.63, 63.13), 66.76),
    Line("AdvSemiSeg", {"method": "advsemiseg"}, (None, 58.80, 62.30, 65.70), 66.40),
    Line("s4GAN", {"method": "s4gan"}, (None, 59.30, 61.90, None), 66.00),
    Line("French et al.", {"method": "cutmix"}, (51.20, 60.34, 63.87, None), 67.53),
    Line("DST-CBC", {"method": "dst_cbc"}, (48.70, 60.50, 64.40, None), 66.90),
    Line("ClassMix", {"method": "classmix"}, (54.07, 61.35, 63.63, 66.29), 66.19),
    Line("DMT", {"method": "dmt"}, (54.80, 63.03, None, None), 68.16),
    Line("ECS", {"method": "ecs"}, (None, 60.26, 63.77, None)),
    Line("C3-SemiSeg", {"method": "c3_semiseg"}, (55.17, 63.23, 65.50, None), 66.87),
    Line("CTT", CTT_CITYSCAPES, (59.53, 64.04, 65.83, 67.83), 66.76),
)
FULL = Row("Sup. baseline · all (2975)", {"method": "supervised", "labelled": ALL}, ALL, SUPERVISED, 66.76, 66.76)
NOTES = {
    "supervised 1/8": "56.96 in Tables 5 and 7",
    "dmt 1/8": "the paper's bracket −5.31 should be −5.13",
}
RECIPE = Recipe(
    title="Table 1: Cityscapes val, DeepLabV2 ResNet-101, half resolution",
    source=f"{protocols.PAPER}, Table 1",
    base=protocols.CITYSCAPES,
    pool=protocols.CITYSCAPES_POOL,
    rows=noted((*crossed(LINES, COLUMNS), FULL), NOTES),
    splits=protocols.DRAWN,
    reference={"method": "supervised"},
    apart=protocols.COCO,
    notes=(protocols.CITED_NOTE, protocols.DRAWN_NOTE, protocols.BASELINE_NOTE, protocols.RUNS_NOTE),
)
