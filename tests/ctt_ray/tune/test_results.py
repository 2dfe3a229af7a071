"""Ranking at equal length, and files that other tools read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console

from ctt_ray import cli
from ctt_ray.config import with_values
from ctt_ray.tune import results
from ctt_ray.tune.__main__ import report
from ctt_ray.tune.arguments import Plan
from ctt_ray.tune.data import Choice
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.settings import Settings
from tune_spaces import Space


@pytest.fixture
def campaign(folder: Folder, put: Callable[..., None]) -> Folder:
    put("0000", {10: 30.0, 80: 50.0}, "complete", lr=0.01)
    put("0001", {10: 90.0}, "pruned", lr=0.1)
    put("0002", {80: 60.0}, "complete", lr=0.02)
    put("0003", {80: 99.0}, "failed", lr=0.3)
    put("0004", {20: 70.0}, "", lr=0.4)
    put("0005", {}, "", lr=0.5)
    return folder


def test_the_furthest_are_compared_and_failed_ones_are_not(campaign: Folder) -> None:
    assert [record.id for record in results.ranking(campaign.records())] == ["0002", "0000", "0004", "0001"]
    best = results.best(campaign.records())
    assert best is not None and best.id == "0002"
    assert results.best([]) is None


def test_the_csv_has_a_row_a_trial_with_state_reach_and_parameters(campaign: Folder, settings: Settings) -> None:
    results.write(campaign, campaign.records(), settings.model_copy(update={"rehearsal": True}))
    rows = list(csv.DictReader(io.StringIO(campaign.table.read_text())))
    assert [row["state"] for row in rows] == ["complete", "pruned", "complete", "failed", "unfinished", "unfinished"]
    assert [row["miou"] for row in rows] == ["50.0", "90.0", "60.0", "", "70.0", ""]
    assert [row["iteration"] for row in rows] == ["80", "10", "80", "80", "20", "0"]
    assert {row["rehearsal"] for row in rows} == {"true"} and {row["iterations"] for row in rows} == {"80"}
    assert [float(row["lr"]) for row in rows] == [0.01, 0.1, 0.02, 0.3, 0.4, 0.5]


def test_best_yaml_is_a_configuration_that_train_accepts(campaign: Folder, settings: Settings) -> None:
    results.write(campaign, campaign.records(), settings)
    config = cli.read_config(campaign.best)
    assert config == with_values(settings.base, {"lr": 0.02, "phi": 0.3})
    assert config.hash() == campaign.issued("0002").config_hash
    assert campaign.best.read_text().startswith("# trial 0002 of camp: mIoU 60.00 at 80 of 80 iterations\n")


def test_best_yaml_of_a_search_on_labelled_images_says_what_it_leaves_out(campaign: Folder, settings: Settings) -> None:
    held_out = settings.model_copy(update={"base": with_values(settings.base, {"eval_split": "labelled:0/4"})})
    results.write(campaign, campaign.records(), held_out)
    assert (
        campaign.best.read_text()
        .splitlines()[1]
        .startswith("# labelled:0/4 is scored and not trained on; --eval-split val")
    )
    assert cli.read_config(campaign.best).report.eval_split == "labelled:0/4"


def test_without_a_score_there_is_no_best(folder: Folder, settings: Settings, put: Callable[..., None]) -> None:
    put("0000", {}, "failed")
    assert results.write(folder, folder.records(), settings) is None
    assert folder.table.is_file() and not folder.best.exists()


def test_the_table_says_how_far_each_came(campaign: Folder, settings: Settings) -> None:
    console = Console(width=160, file=io.StringIO())
    console.print(results.as_table(campaign.records(), settings.model_copy(update={"rehearsal": True})))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "10/80" in text and "pruned" in text and "REHEARSAL" in text
    assert text.index("0002") < text.index("0000") < text.index("0001")


def test_a_failed_trial_makes_exit_code_5_and_its_reason(
    campaign: Folder, settings: Settings, space: Space, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Plan(campaign, Choice(space, "", "all"), settings, "", "")
    assert report(asked, campaign.records(), as_json=True) == cli.TRIALS_FAILED
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert found["failed"] == 1 and found["best"]["trial"] == "0002" and len(found["trials"]) == 6
    assert "trial 0003 failed: why" in shown.err
    whole = [record for record in campaign.records() if record.id in ("0000", "0002")]
    assert report(asked, whole, as_json=False) == cli.DONE
    assert "python -m ctt_ray.train --config" in capsys.readouterr().out
