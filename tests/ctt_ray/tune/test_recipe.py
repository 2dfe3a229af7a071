"""A campaign over a published table, without Ray: what is asked for, what is kept, the marks, the table of results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_scenes import make_scenes

from ctt_ray.config import ConfigError
from ctt_ray.train.session import RESULTS
from ctt_ray.tune import published, published_text, recipe, results, scale
from ctt_ray.tune import settings as settings_of
from ctt_ray.tune.__main__ import main
from ctt_ray.tune.arguments import Plan, TuneArgs, plan
from ctt_ray.tune.folder import Issued, Outcome, write_text
from data_prep.schema import DataError
from data_prep.splits import make_split


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_scenes(tmp_path_factory.mktemp("scenes") / "data")


def asked(scenes: Path, *only: str, space: str = "recipes/table4", **values: Any) -> Plan:
    base = {"data": str(scenes), "labelled": "few", "overrides": ("iterations=80", "backbone=resnet18")}
    return plan(TuneArgs(space=space, only=only, **{**base, **values}))


TWO = ("parts=sup", "parts=ct")


def kept_of(found: Plan) -> dict[str, Any]:
    assert found.recipe is not None
    kept: dict[str, Any] = json.loads(json.dumps(found.recipe))  # as the file has it
    return kept


def start(found: Plan) -> None:
    recipe.write(found.folder.root, found.recipe)
    settings_of.save(found.folder, found.settings)


def put(found: Plan, number: int, scores: dict[int, dict[str, float]], state: str = "complete") -> None:
    """A trial with the parameters of that point and these networks' scores at these iterations."""
    params = found.settings.points[number]
    values = found.choice.space.values(params)
    id = f"{number:04d}"
    config = settings_of.applied(found.settings.base, values)
    found.folder.issue(Issued(id, params, values, config.hash()))
    lines = [
        json.dumps({"iteration": at, "miou": max(own.values()), **{f"miou/{name}": each for name, each in own.items()}})
        for at, own in scores.items()
    ]
    write_text(found.folder.trial(id) / RESULTS, "".join(line + "\n" for line in lines))
    last = max(scores)
    found.folder.settle(id, Outcome(state, last, max(scores[last].values())))  # type: ignore[arg-type]


# --- what is asked for


def test_every_row_with_every_seed_is_a_trial_at_full_length(scenes: Path) -> None:
    found = asked(scenes, *TWO, seeds=2, seed=5)
    assert found.settings.points == (
        {"row": "sup", "seed": 5},
        {"row": "ct", "seed": 5},
        {"row": "sup", "seed": 6},
        {"row": "ct", "seed": 6},
    )
    assert (found.settings.trials, found.settings.scheduler, found.settings.rungs) == (4, "none", [])
    assert found.folder.root.name == "table4" and not found.settings.rehearsal
    assert found.settings.levels == [80]


def test_without_only_all_rows_with_three_seeds(scenes: Path) -> None:
    assert asked(scenes).settings.trials == 8 * 3


def test_a_row_without_its_method_is_refused_and_the_others_named(
    scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ctt_ray import methods

    there = {name: methods.METHODS[name] for name in ("supervised", "ctt")}
    monkeypatch.setattr(methods, "METHODS", there)
    with pytest.raises(
        ConfigError, match=r"no method 'direct_mutual' \(direct mutual teaching\), .*--only strategy=base"
    ):
        asked(scenes, space="recipes/table5")
    assert asked(scenes, "strategy=baseline", "strategy=ctt", space="recipes/table5").settings.trials == 6
    with pytest.raises(ConfigError, match="none of these rows can be run yet"):
        asked(scenes, "strategy=mutual", space="recipes/table5")


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["--space", "recipes/table4"], 3, "a recipe has no rehearsal"),
        (
            ["--space", "recipes/table4", "--sampler", "gp", "--extend", "3"],
            2,
            "--sampler, --extend: 'recipes/table4' is a",
        ),
        (["--space", "recipes/table4", "--stop-collapsed"], 2, "each row of which runs to its end"),
        (["--space", "recipes/table4", "--only", "ct"], 2, "write AXIS=CHOICE"),
        (["--space", "recipes/table4", "--only", "parts=cc"], 2, "no row has parts = cc; there are sup, ct"),
        (["--space", "recipes/table8", "--set", "phi=0.5"], 2, "--set phi: the rows differ in it (0.0, 0.75"),
        (
            ["--space", "recipes/table3", "--only", "method=ctt", "--labelled", "few"],
            2,
            "--labelled: the rows differ in it",
        ),
        (["--space", "voc", "--seeds", "3"], 2, "--only and --seeds are for recipes"),
        (["--space", "table4"], 2, "did you mean 'recipes/table4'"),
    ],
)
def test_mistakes(argv: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*argv, "--dry-run"]) == code
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_a_missing_split_names_the_command_that_makes_it(scenes: Path) -> None:
    drawn = r"no labelled split 'n372_s0'.*`python -m data_prep split \S+ --labelled 372 --name n372_s0`\."
    with pytest.raises(DataError, match=drawn):
        asked(scenes, "method=ctt", "labelled=1/8", labelled="", space="recipes/table1")
    published_list = (
        r"no labelled split 'ctt_212'.*--ids FILE --labelled 212 --name ctt_212` with FILE one of the lists of CTT"
    )
    with pytest.raises(DataError, match=published_list):
        asked(scenes, "method=ctt", "labelled=1/50", labelled="", space="recipes/table2")


def test_rows_train_on_their_own_splits_or_on_the_one_that_is_given(tmp_path: Path) -> None:
    data = make_scenes(tmp_path / "own")
    for name, count in (("n100_s0", 2), ("n372_s0", 3)):
        make_split(data, str(count), name=name)
    found = asked(data, "method=ctt", "labelled=1/30", "labelled=1/8", labelled="", space="recipes/table1", seeds=1)
    assert [found.choice.space.values(p)["labelled"] for p in found.settings.points] == ["n100_s0", "n372_s0"]
    assert {name: split["count"] for name, split in kept_of(found)["splits"].items()} == {"n100_s0": 2, "n372_s0": 3}
    given = asked(data, "method=ctt", "labelled=1/8", space="recipes/table1", seeds=1)
    assert "labelled" not in given.choice.space.values(given.settings.points[0])
    assert given.settings.base.labelled == "few" and list(kept_of(given)["splits"]) == ["few"]


def test_a_value_that_rows_share_can_be_set_for_all(scenes: Path) -> None:
    found = asked(scenes, overrides=("iterations=80", "ema_decay=0.9"))
    (ct,) = (point for point in found.settings.points if point == {"row": "ct", "seed": 0})
    values = found.choice.space.values(ct)
    assert "ema_decay" not in values and settings_of.applied(found.settings.base, values).params.ema_decay == 0.9
    kept = kept_of(found)
    marks = {row["key"]: scale.marks(kept, row, found.settings) for row in kept["rows"]}
    assert "ema_decay 0.9 for 0.99" in marks["ct"]


def test_more_seeds_and_rows_follow_those_there_are_and_fewer_take_none_away(scenes: Path) -> None:
    first = asked(scenes, "parts=ct", seeds=1)
    start(first)
    more = asked(scenes, *TWO, seeds=2)
    assert [(point["row"], point["seed"]) for point in more.settings.points] == [
        ("ct", 0),
        ("sup", 0),
        ("sup", 1),
        ("ct", 1),
    ]
    assert [row["key"] for row in kept_of(more)["rows"]] == ["ct", "sup"]
    start(more)
    again = asked(scenes, "parts=ct", seeds=1)
    assert again.settings == more.settings and again.recipe == more.recipe
    with pytest.raises(ConfigError, match="iterations: 80 there, 40 asked"):
        asked(scenes, "parts=ct", overrides=("iterations=40", "backbone=resnet18"))


@pytest.mark.parametrize("verb", [["extend", "table4", "3"], ["confirm", "table4"]])
def test_what_would_leave_the_table_is_refused(
    verb: list[str], scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start(asked(scenes, *TWO))
    assert main(verb) == 2
    assert "--seeds" in capsys.readouterr().err


# --- marks


def test_a_small_run_is_marked_with_all_that_is_smaller(scenes: Path) -> None:
    found = asked(scenes, "parts=ct")
    kept = kept_of(found)
    assert scale.marks(kept, kept["rows"][0], found.settings) == [
        "backbone resnet18 for resnet101",
        "iterations 80 of 80,000",
        "init imagenet for MS-COCO weights for student 1 and ImageNet weights for student 2 (released code)",
        "8 training images for 2,975",
        "4 images to score for 500",
        "10 classes for 19",
        "4 labelled images for 372",
    ]


def whole(found: Plan, **changes: Any) -> dict[str, Any]:
    """What would be kept had the data been the paper's."""
    kept = kept_of(found)
    kept["data"] |= {**kept["pool"], **changes}
    for split in kept["splits"].values():
        split |= {"count": kept["rows"][0]["labels"]["count"], "rule": "imported from list.txt"}
    return kept


def test_the_papers_protocol_on_the_papers_data_has_no_mark(scenes: Path) -> None:
    found = asked(
        scenes, "method=ctt", "labelled=1/16", space="recipes/table3", overrides=("loaders=3", "report_every=500")
    )
    kept = whole(found)
    assert scale.marks(kept, kept["rows"][0], found.settings) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"rule": "92 of 1464 images with a mask"}, "labelled images drawn here for PseudoSeg's lists for classic VOC"),
        ({"count": 91}, "91 labelled images for 92"),
    ],
)
def test_other_labelled_images_are_marked(scenes: Path, change: dict[str, Any], expected: str) -> None:
    found = asked(scenes, "method=ctt", "labelled=1/16", space="recipes/table3", overrides=())
    kept = whole(found)
    kept["splits"]["few"] |= change
    assert scale.marks(kept, kept["rows"][0], found.settings) == [expected]


def test_shrunk_remote_and_half_scored_data_are_marked(scenes: Path) -> None:
    one = {"space": "recipes/table3", "overrides": ("eval_split=val:0/2",)}
    found = asked(scenes, "method=ctt", "labelled=1/16", **one)
    kept = whole(found, short_side=256)
    expected = ["eval_split val:0/2 for val", "images shrunk to a short side of 256"]
    assert scale.marks(kept, kept["rows"][0], found.settings) == expected
    kept |= {"data": None, "splits": {}}
    assert scale.marks(kept, kept["rows"][0], found.settings)[1:] == [scale.UNCHECKED]


def test_weights_from_a_file_are_the_users_word(scenes: Path) -> None:
    Path("coco.safetensors").write_bytes(b"")
    coco = "MS-COCO weights for student 1 and ImageNet weights for student 2 (released code)"
    for init, expected in (("[coco.safetensors, imagenet]", []), ("[none]", [f"init none for {coco}"])):
        found = asked(scenes, "parts=ct", overrides=(f"init={init}",))
        kept = whole(found)
        assert scale.marks(kept, kept["rows"][0], found.settings) == expected


# --- the table


def fill(found: Plan, gain: float = 5.0) -> None:
    """Three seeds of two rows: the best is at 40, the last a point lower; ct's better student changes."""
    start(found)
    for number, point in enumerate(found.settings.points):
        seed, ct = float(point["seed"]), point["row"] == "ct"
        top = 50.0 + seed + (gain + 0.1 * seed) * ct
        students = {"s0": top, "s1": top - 2} if seed < 2 else {"s0": top - 2, "s1": top}
        scores = students if ct else {"s0": top}
        put(found, number, {40: scores, 80: {name: value - 1 for name, value in scores.items()}})


def test_the_table_by_hand(scenes: Path) -> None:
    found = asked(scenes, *TWO)
    fill(found)
    table = published.summary(found.folder, found.folder.records(), found.settings)
    assert table is not None
    sup, ct = table["rows"]
    assert ct["best"] == {"mean": pytest.approx(56.1), "sd": pytest.approx(1.1)}
    assert ct["last"]["mean"] == pytest.approx(55.1) and ct["runs"] == 3 and ct["networks"] == {"s0": 2, "s1": 1}
    assert (sup["figure"], ct["figure"], ct["minus_paper"], sup["minus_reference"]) == (57.74, 63.69, None, None)
    against = ct["minus_reference"]
    assert against["mean"] == pytest.approx(5.1) and against["verdict"] == "better"
    half = 4.302653 * 0.1 / 3**0.5  # t of two degrees of freedom
    assert (against["low"], against["high"]) == (
        pytest.approx(5.1 - half, abs=1e-4),
        pytest.approx(5.1 + half, abs=1e-4),
    )
    assert against["paper"] == 5.95 and against["label"] == "L_sup"


def test_a_difference_to_the_paper_stands_only_at_its_scale(scenes: Path) -> None:
    found = asked(scenes, *TWO)
    fill(found)
    kept = whole(found)
    kept["base"] |= {"iterations": 80, "backbone": "resnet18"}
    kept["apart"] = {}
    recipe.write(found.folder.root, kept)
    table = published.summary(found.folder, found.folder.records(), found.settings)
    assert table is not None
    ct = table["rows"][1]
    assert ct["marks"] == [] and ct["minus_paper"]["mean"] == pytest.approx(56.1 - 63.69)
    assert ct["minus_paper"]["verdict"] == "worse"
    text = published_text.markdown(table)
    assert "not at the paper's scale" not in text and "| -7.59 [" in text


def test_the_text_marks_each_row_and_says_why_once(scenes: Path) -> None:
    found = asked(scenes, *TWO)
    fill(found, gain=0.0)
    results.write(found.folder, found.folder.records(), found.settings)
    text = (found.folder.root / "recipe.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith(("| L_sup", "| +CT"))]
    assert len(rows) == 2 and all("not at the paper's scale (a)" in row for row in rows)
    assert "57.74" in rows[0] and "63.69" in rows[1] and "56.10" not in text and "not separable" in rows[1]
    assert text.count("iterations 80 of 80,000") == 1 and "(a) not at the paper's scale: backbone resnet18" in text
    assert "L_sup: 56.96 in Tables 5 and 7." in text and "Reference: L_sup." in text
    assert len({len(line) for line in text.splitlines() if line.startswith("|")}) == 1


def test_unfinished_and_failed_runs_count_for_nothing(scenes: Path) -> None:
    found = asked(scenes, *TWO, seeds=1)
    start(found)
    put(found, 0, {80: {"s0": 40.0}})
    put(found, 1, {80: {"s0": 90.0}}, "failed")
    table = published.summary(found.folder, found.folder.records(), found.settings)
    assert table is not None
    assert [row["runs"] for row in table["rows"]] == [1, 0]
    assert table["rows"][0]["best"] == {"mean": 40.0, "sd": None}
    assert "| –" in published_text.markdown(table).splitlines()[5]


def test_rows_with_one_curve_are_named(scenes: Path) -> None:
    found = asked(scenes, "n_q=64", "n_q=128", space="recipes/table7", seeds=1)
    start(found)
    for number in (0, 1):
        put(found, number, {40: {"s0": 40.0}, 80: {"s0": 41.0}})
    table = published.summary(found.folder, found.folder.records(), found.settings)
    assert table is not None and "'64' and '128' have curves that are equal to the last bit" in table["notes"][-1]


def test_the_score_is_that_of_the_networks_the_paper_scores() -> None:
    lines: list[Any] = [
        {"iteration": 40, "miou": 50.0, "miou/s0": 50.0, "miou/t0": 61.0, "miou/t1": 60.0},
        {"iteration": 80, "miou": 55.0, "miou/s0": 55.0, "miou/t0": 57.0, "miou/t1": 58.0},
    ]
    assert published.score(lines, "teacher", ("t0", "t1")) == published.Score(61.0, 58.0, "t0")
    assert published.score(lines, "student", ("s0", "a")) == published.Score(55.0, 55.0, "s0")
    assert published.score(lines, "student", ("a",)) == published.Score(55.0, 55.0, "")
    assert published.score(lines, "ensemble", ("ensemble",)) is None
    lines[1] |= {"miou/ensemble": 56.0}
    assert published.score(lines, "ensemble", ("ensemble",)) == published.Score(56.0, 56.0, "ensemble")


def test_an_assistant_is_no_best_student() -> None:
    lines: list[Any] = [{"iteration": 80, "miou": 50.0, "miou/s": 50.0, "miou/a": 60.0}]
    assert published.score(lines, "student", ("s", "a")) == published.Score(50.0, 50.0, "s")


def test_status_shows_the_table_and_a_search_has_none(scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(scenes, *TWO)
    fill(found)
    assert main(["status", "table4"]) == 0
    assert "63.69 | not at the paper's scale (a)" in capsys.readouterr().out
    assert main(["status", "table4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recipe"]["rows"][1]["figure"] == 63.69
    (found.folder.root / recipe.FILE).unlink()
    assert published.summary(found.folder, found.folder.records(), found.settings) is None
