"""CTT's Table 2: methods by labelled images on augmented VOC 2012, DeepLabV2. Labelled splits ctt_212, ctt_529, ctt_1322 and
ctt_2645: the first lines of the lists that CTT's code ships (file 0 is ClassMix's, 1 and 2 are SemiSeg-Contrastive's)."""

from tune_spaces.recipe import ALL, Column, Labels, Line, Recipe, Row, crossed, noted
from tune_spaces.recipes import protocols
from tune_spaces.recipes.protocols import CTT, SUPERVISED

NAME = "table2"
COLUMNS = (
    Column("1/50", "ctt_212", 212),
    Column("1/20", "ctt_529", 529),
    Column("1/8", "ctt_1322", 1322),
    Column("1/4", "ctt_2645", 2645),
)
LINES = (
    Line("Sup. baseline", SUPERVISED, (55.69, 61.36, 67.14, 70.20), 74.26),
    Line("AdvSemiSeg", {"method": "advsemiseg"}, (57.20, 64.70, 69.50, 72.10), 74.90),
    Line("s4GAN", {"method": "s4gan"}, (63.30, 67.20, 71.40, None), 66.00),
    Line("French et al.", {"method": "cutmix"}, (64.81, 66.48, 67.60, None), 72.59),
    Line("DST-CBC", {"method": "dst_cbc"}, (65.50, 69.30, 70.70, 71.80), 73.60),
    Line("ClassMix", {"method": "classmix"}, (66.15, 67.77, 71.00, 72.45), 74.13),
    Line("DMT", {"method": "dmt"}, (67.15, 69.92, 72.70, None), 74.75),
    Line("ECS", {"method": "ecs"}, (None, None, 70.22, 72.60), 76.29),
    Line("GCT", {"method": "gct"}, (None, None, 72.14, 73.62), 75.32),
    Line("SemiSeg-Contrastive", {"method": "semiseg_contrastive"}, (67.90, 70.0, 71.6, None), 74.10),
    Line("CTT", {**CTT, "mixer": "none"}, (69.24, 72.02, 73.66, 75.07), 74.26),
)
FULL = Row("Sup. baseline · all (10582)", {"method": "supervised", "labelled": ALL}, ALL, SUPERVISED, 74.26, 74.26)
S4GAN = "the paper's 66.00 with all labels is its Cityscapes value; its brackets imply 73.60"
RECIPE = Recipe(
    title="Table 2: VOC 2012 val, augmented training set, DeepLabV2 ResNet-101",
    source=f"{protocols.PAPER}, Table 2",
    base=protocols.VOC,
    pool=protocols.VOC_POOL,
    rows=noted((*crossed(LINES, COLUMNS), FULL), {f"s4gan {column.name}": S4GAN for column in COLUMNS[:3]}),
    splits={column.split: Labels(column.count, "the lists of CTT's released code") for column in COLUMNS},
    reference={"method": "supervised"},
    apart=protocols.COCO,
    notes=(
        protocols.CITED_NOTE,
        "The lists are permutations of the 10,582 images of which the first lines are labelled; no list for 1/4 is "
        "shipped, and that for 1/8 has 1,323. Take the same permutation's first lines.",
        "The paper scores images padded with zeros to 505 x 505; here whole images are scored as they are.",
        "1/8 and 1/4 here are not the 1/16 and 1/8 of other papers, though one comparison shows the same figures there.",
        protocols.RUNS_NOTE,
    ),
)
