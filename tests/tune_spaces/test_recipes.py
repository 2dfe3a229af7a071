"""Every recipe keeps its promises: rows that can be run where their method is there, the paper's figures, the protocol."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest

from ctt_ray import methods
from ctt_ray.config import RunConfig, leaves, with_values
from tune_spaces import RECIPES, Space, SpaceError, load
from tune_spaces.__main__ import describe, main
from tune_spaces.recipe import ROW, SEED, Recipe

# A method's name is promised before its method is there.
PROMISED = {
    "supervised", "mean_teacher", "ctt", "gta_seg", "direct_mutual", "ensemble", "self_training", "dual_teachers", "cutmix",
    "classmix", "cps", "fixmatch", "unimatch", "dmt", "dst_cbc", "advsemiseg", "s4gan", "vat", "ecs", "gct", "cct",
    "pseudoseg", "pc2seg", "semiseg_contrastive", "c3_semiseg",
}  # fmt: skip


@pytest.fixture(params=RECIPES)
def space(request: pytest.FixtureRequest) -> Space:
    return load(request.param)


def recipe_of(name: str) -> Recipe:
    recipe = load(f"recipes/{name}").recipe
    assert recipe is not None
    return recipe


def figures(name: str) -> dict[str, float | None]:
    return {row.key: row.figure for row in recipe_of(name).rows}


def test_every_row_makes_a_configuration_and_where_its_method_is_there_a_plan_that_reads_its_values(
    space: Space,
) -> None:
    assert space.recipe is not None
    for row in space.recipe.rows:
        assert row.values["method"] in PROMISED
        values = space.values({ROW: row.key, SEED: 5})
        config = with_values(RunConfig(), {**space.base, **values})
        assert (config.method, config.labelled, config.seed) == (row.values["method"], row.split, 5)
        if config.method in methods.METHODS:
            methods.build(config.method, config.params.model_dump())
            assert set(row.values) - {"method"} <= set(methods.parameters(config.method)), row.key
    assert set(space.base) <= set(leaves())


def test_rows_have_names_of_their_own_and_every_named_split_is_explained(space: Space) -> None:
    recipe = space.recipe
    assert recipe is not None
    assert max(Counter(row.key for row in recipe.rows).values()) == 1
    assert {row.split for row in recipe.rows} - {"all"} <= set(recipe.splits)
    for row in recipe.rows:
        assert set(row.at) == set(recipe.rows[0].at)
        found = recipe.only({axis: [choice] for axis, choice in row.at.items()})
        assert [each.key for each in found] == [row.key]
        if row.split != "all":
            assert row.split in space.about  # the file's docstring names its splits


def test_the_points_are_all_rows_with_three_seeds_seed_by_seed(space: Space) -> None:
    assert space.recipe is not None
    keys = [row.key for row in space.recipe.rows]
    assert [(point[ROW], point[SEED]) for point in space.points] == [(key, seed) for seed in range(3) for key in keys]
    assert space.trials == len(space.points)
    study = optuna.create_study()
    for point in space.points[:2]:
        study.enqueue_trial(dict(point))
        trial = study.ask()
        assert space.suggest(trial) == space.values(point) and trial.params == point


def test_two_rows_of_a_table_never_train_the_same(space: Space) -> None:
    hashes = [with_values(RunConfig(), {**space.base, **space.values(point)}).hash() for point in space.points]
    assert len(set(hashes)) == len(hashes)


def test_figures_of_table_1() -> None:
    found = figures("table1")
    assert found["supervised 1/30"] == 48.36 and found["supervised all"] == 66.76
    assert [found[f"ctt {part}"] for part in ("1/30", "1/8", "1/4", "1/2")] == [59.53, 64.04, 65.83, 67.83]
    assert [found[f"dmt {part}"] for part in ("1/30", "1/8", "1/4", "1/2")] == [54.80, 63.03, None, None]
    assert [found[f"advsemiseg {part}"] for part in ("1/30", "1/8", "1/4", "1/2")] == [None, 58.80, 62.30, 65.70]
    assert found["c3_semiseg 1/30"] == 55.17 and found["ecs 1/4"] == 63.77 and found["classmix 1/2"] == 66.29


def test_figures_of_table_2() -> None:
    found = figures("table2")
    assert [found[f"ctt {part}"] for part in ("1/50", "1/20", "1/8", "1/4")] == [69.24, 72.02, 73.66, 75.07]
    assert [found[f"gct {part}"] for part in ("1/50", "1/20", "1/8", "1/4")] == [None, None, 72.14, 73.62]
    assert (
        found["semiseg_contrastive 1/20"] == 70.0 and found["dst_cbc 1/4"] == 71.80 and found["supervised all"] == 74.26
    )


def test_figures_of_table_3() -> None:
    found = figures("table3")
    assert [found[f"ctt {part}"] for part in ("1/16", "1/8", "1/4", "1/2")] == [64.00, 71.05, 72.36, 76.13]
    assert found["pc2seg 1/4"] == 69.78 and found["cct 1/16"] == 33.10 and found["vat 1/2"] == 63.34
    assert None not in found.values() and len(found) == 36


# What the paper prints in brackets: the difference to the method's own figure with all labels.
BRACKETS = {
    "table1": {
        "supervised": (-18.40, -9.02, -5.13, -3.63), "advsemiseg": (None, -7.60, -4.10, -0.70),
        "s4gan": (None, -6.70, -4.10, None), "cutmix": (-16.33, -7.19, -3.66, None), "dst_cbc": (-18.20, -6.40, -2.50, None),
        "classmix": (-12.12, -4.84, -2.56, 0.10), "dmt": (-13.36, -5.31, None, None), "ecs": (None,) * 4,
        "c3_semiseg": (-11.70, -3.64, -1.37, None), "ctt": (-7.23, -2.72, -0.93, 1.07),
    },
    "table2": {
        "supervised": (-18.57, -12.90, -7.12, -4.06), "advsemiseg": (-17.70, -10.20, -5.40, -2.80),
        "s4gan": (-10.30, -6.40, -2.20, None), "cutmix": (-7.78, -6.11, -4.99, None), "dst_cbc": (-8.10, -4.30, -2.90, -1.80),
        "classmix": (-7.98, -6.36, -3.13, -1.68), "dmt": (-7.60, -4.83, -2.05, None), "ecs": (None, None, -6.07, -3.69),
        "gct": (None, None, -3.18, -1.70), "semiseg_contrastive": (-6.20, -4.10, -2.50, None),
        "ctt": (-5.02, -2.24, -0.60, 0.81),
    },
}  # fmt: skip
DISAGREE = {"table1": {"dmt 1/8"}, "table2": {"s4gan 1/50", "s4gan 1/20", "s4gan 1/8"}}


@pytest.mark.parametrize("name", BRACKETS)
def test_figures_agree_with_the_papers_brackets_but_where_a_note_says_not(name: str) -> None:
    recipe = recipe_of(name)
    for method, brackets in BRACKETS[name].items():
        rows = [row for row in recipe.rows if row.at["method"] == method and row.split != "all"]
        for row, bracket in zip(rows, brackets, strict=True):
            gap = None if row.figure is None or row.full is None else round(row.figure - row.full, 2)
            assert (gap == bracket) == (row.key not in DISAGREE[name]), (row.key, gap, bracket)
            assert "bracket" in row.note or gap == bracket


SMALL = {
    "table4": {
        "sup": 57.74, "ct": 63.69, "hc": 60.79, "lc": 61.31, "hc+lc": 62.30, "ct+hc": 63.97, "ct+lc": 63.50, "all": 64.04,
    },
    "table5": {
        "baseline": 56.96, "mutual": 60.35, "mean_teacher": 61.35, "ensemble": 61.47, "self_training": 60.75,
        "dual_teachers": 62.42, "ctt": 63.69,
    },
    "table6": {"1": 60.34, "2": 63.69, "3": 63.94},
    "table7": {"0": 56.96, "64": 60.91, "128": 62.30, "256": 61.83, "512": 62.36, "1024": 60.85},
    "table8": {"0": 60.79, "0.75": 62.30, "0.85": 62.24, "0.95": 62.16, "1": 61.31},
    "table9": {"without": 61.69, "with": 62.30},
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_figures_of_the_ablations(name: str) -> None:
    assert figures(name) == SMALL[name]


def test_figures_of_gta_seg() -> None:
    assert list(figures("gta_seg").values()) == [70.02, 73.16, 75.57, 78.37, 80.47]
    assert list(figures("gta_seg_cityscapes").values()) == [69.38, 72.02, 76.08]


def weights(name: str) -> dict[str, tuple[float, ...]]:
    """Row → weights of CT, HC and LC; nothing for a row that is not CTT."""
    return {
        row.key: tuple(row.values[f"lambda_{part}"] for part in ("ct", "hc", "lc"))
        for row in recipe_of(name).rows
        if row.values["method"] == "ctt"
    }


def test_the_ablations_vary_what_they_say() -> None:
    assert weights("table4") == {
        "ct": (1, 0, 0), "hc": (0, 0.1, 0), "lc": (0, 0, 0.1), "hc+lc": (0, 0.1, 0.1),
        "ct+hc": (1, 0.1, 0), "ct+lc": (1, 0, 0.1), "all": (1, 0.1, 0.1),
    }  # fmt: skip
    assert set(weights("table5").values()) == set(weights("table6").values()) == {(1, 0, 0)}
    for name in ("table7", "table8", "table9"):  # these ran without CT
        assert set(weights(name).values()) == {(0, 0.1, 0.1)}
    assert {row.key: row.values.get("n_q") for row in recipe_of("table7").rows} == {
        "0": None, "64": 64, "128": 128, "256": 256, "512": 512, "1024": 1024,
    }  # fmt: skip
    assert recipe_of("table7").row("0").values == {"method": "supervised"}
    assert {row.key: row.values["phi"] for row in recipe_of("table8").rows} == {
        "0": 0, "0.75": 0.75, "0.85": 0.85, "0.95": 0.95, "1": 1,
    }  # fmt: skip
    assert {row.key: row.values["lc_directional"] for row in recipe_of("table9").rows} == {
        "without": False,
        "with": True,
    }
    assert {row.key: row.values["pairs"] for row in recipe_of("table6").rows} == {"1": 1, "2": 2, "3": 3}


PROTOCOLS: dict[str, dict[str, Any]] = {
    "table1": {"arch": "deeplabv2", "crop": (256, 512), "batch_labelled": 2, "eval_mode": "half", "iterations": 80_000},
    "table2": {
        "arch": "deeplabv2",
        "crop": (321, 321),
        "batch_labelled": 10,
        "scale": (0.5, 1.6),
        "iterations": 80_000,
    },
    "table3": {"arch": "deeplabv3plus", "crop": (321, 321), "batch_labelled": 10, "iterations": 80_000},
    "table4": {"arch": "deeplabv2", "crop": (256, 512), "batch_unlabelled": 2, "eval_mode": "half", "lr": 2.5e-4},
    "gta_seg": {"arch": "deeplabv3plus", "crop": (513, 513), "batch_labelled": 12, "lr": 1e-3, "weight_decay": 1e-4},
    "gta_seg_cityscapes": {"crop": (769, 769), "batch_labelled": 16, "lr": 0.01, "eval_mode": "slide"},
}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_protocols(name: str) -> None:
    expected = {"backbone": "resnet101", **PROTOCOLS[name]}
    assert {key: load(f"recipes/{name}").base[key] for key in expected} == expected


def test_ctts_own_values_are_the_papers_and_a_mixer_is_cityscapes_alone() -> None:
    plain = with_values(
        RunConfig(), {**load("cityscapes").base, **load("cityscapes").values(load("cityscapes").points[0])}
    )
    city = load("recipes/table1")
    row = with_values(RunConfig(), {**city.base, **city.values({ROW: "ctt 1/8", SEED: 0})})
    assert row.model_copy(update={"labelled": plain.labelled, "report": plain.report}) == plain
    assert recipe_of("table2").row("ctt 1/8").values["mixer"] == "none"


def test_figures_that_are_a_teachers_say_so() -> None:
    assert {name: load(name).recipe.network for name in RECIPES} == {  # type: ignore[union-attr]
        name: "teacher" if "gta_seg" in name else "student" for name in RECIPES
    }
    assert [row.key for row in recipe_of("table5").rows if row.network] == ["ensemble"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"methd": ["ctt"]}, "rows are told apart by method, labelled"),
        ({"method": ["ctt", "cttt"]}, "no row has method = cttt; there are supervised"),
        ({"method": ["ctt"], "labelled": ["all"]}, "no row has all of that at once"),
    ],
)
def test_rows_that_are_not_there_are_refused(wanted: dict[str, list[str]], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        recipe_of("table1").only(wanted)


def test_rows_are_chosen_by_axis() -> None:
    found = recipe_of("table1").only({"method": ["supervised", "ctt"], "labelled": ["1/30"]})
    assert [row.key for row in found] == ["supervised 1/30", "ctt 1/30"]


def test_the_command_lists_recipes_and_prints_one_with_the_papers_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "recipes/table4" in capsys.readouterr().out
    assert main(["recipes/table4"]) == 0
    shown = capsys.readouterr().out
    assert "63.69" in shown and "n372_s0" in shown and "the paper has MS-COCO" in shown
    assert main(["table4"]) == 2
    assert "did you mean 'recipes/table4'" in capsys.readouterr().err
    assert " - " in describe(load("recipes/table1"))  # a cell that the paper leaves empty


def test_a_recipe_from_a_path(tmp_path: Path) -> None:
    copy = tmp_path / "mine.py"
    copy.write_text((Path(__file__).parents[2] / "tune_spaces" / "recipes" / "table9.py").read_text())
    assert load(str(copy)).points == load("recipes/table9").points
    copy.write_text("NAME = 'mine'\nRECIPE = 3\n")
    with pytest.raises(SpaceError, match="it has NAME, a text, and RECIPE, a Recipe"):
        load(str(copy))


def test_recipes_import_the_standard_library_alone() -> None:
    code = (
        "import sys, tune_spaces\n"
        "for name in tune_spaces.RECIPES: tune_spaces.load(name)\n"
        "heavy = ('ray', 'optuna', 'torch', 'ctt_ray', 'data_prep', 'pydantic', 'numpy')\n"
        "print([m for m in sys.modules if m.split('.')[0] in heavy])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
