"""The page says what the files say, asks for nothing from a network, and is made where little is there."""

from __future__ import annotations

import base64
import html
import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from ctt_ray import cli, report
from ctt_ray.config import RunConfig, with_values
from ctt_ray.report import facts, page
from ctt_ray.report.__main__ import main
from ctt_ray.train.session import RESULTS
from ctt_ray.tune import environment, reported
from ctt_ray.tune import settings as settings_of
from ctt_ray.tune.attempts import ATTEMPTS, Attempt
from ctt_ray.tune.folder import Folder, Issued, Outcome, write_json
from ctt_ray.tune.settings import Settings
from tune_spaces import Fidelity, Space, Trial


def suggest(trial: Trial) -> dict[str, float]:
    return {"lr": trial.suggest_float("lr", 1e-4, 1.0, log=True), "phi": trial.suggest_float("phi", 0.0, 1.0)}


@pytest.fixture
def settings() -> Settings:
    space = Space(
        "s", "", {"iterations": 80, "report_every": 10}, suggest, ({"lr": 0.01, "phi": 0.5},), Fidelity(8, 1, 2)
    )
    return settings_of.settle(space, with_values(RunConfig(), space.base), trials=12)


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Folder:
    """Ten trials at 10, of which 0003 (best there) was stopped; the defaults to 20; 0001 and 0002 to the end; 0010 failed."""
    folder = Folder(tmp_path / "camp<1>")
    settings_of.save(folder, settings)
    curves = {n: {10: 20.0 + n} for n in range(3, 10)}
    curves |= {
        0: {10: 20.0, 20: 25.0},
        1: {10: 21.0, 20: 30.0, 40: 35.0, 80: 44.0},
        2: {10: 22.0, 20: 31.0, 40: 39.0, 80: 41.0},
    }
    curves[3] = {10: 90.0}
    for number, scores in sorted(curves.items()):
        state = "complete" if 80 in scores else "pruned"
        put(folder, settings, number, scores, Outcome(state, max(scores), scores[max(scores)]))  # type: ignore[arg-type]
    put(folder, settings, 10, {10: 99.0}, Outcome("failed", 10, None, reason="ValueError: <boom>"))
    return folder


def put(folder: Folder, settings: Settings, number: int, scores: dict[int, float], outcome: Outcome) -> None:
    values = {"lr": 10.0 ** (-4 + number / 3), "phi": number / 12}
    folder.issue(Issued(f"{number:04d}", values, values, with_values(settings.base, values).hash()))
    lines = [json.dumps({"iteration": at, "miou": score, "seconds": at}) + "\n" for at, score in scores.items()]
    (folder.trial(f"{number:04d}") / RESULTS).write_text("".join(lines))
    folder.settle(f"{number:04d}", outcome)


def text_of(path: Path) -> str:
    return html.unescape(" ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", path.read_text(), flags=re.S).split()))


def test_the_claim_is_the_best_at_the_highest_level(folder: Folder, settings: Settings) -> None:
    (written,) = page.write(folder, settings)
    text = text_of(written)
    assert written == folder.root / "report.html"
    assert (
        "Trial 0001 reaches 44.00 % mIoU at iteration 80 of 80, the best of the 2 of 11 trials that came this far"
        in text
    )
    assert (
        "The space's defaults (trial 0000) have 25.00 at iteration 20, the furthest that both have been; there it has 30.00"
        in text
    )
    assert "11 of 12 trials finished" in text and "1 of 12 trials have not finished" in text
    assert "on the 10 trials that have a score at iteration 10" in text
    assert "8 trials that were stopped early" in text
    assert "0010 failed: ValueError: <boom>" in text and "<boom>" not in written.read_text()


def test_it_holds_its_figures_and_asks_no_network(folder: Folder, settings: Settings) -> None:
    whole = page.write(folder, settings)[0].read_text()
    sources = re.findall(r'src="([^"]*)"', whole)
    assert len(sources) == 4
    for source in sources:
        kind, _, content = source.partition(",")
        assert kind == "data:image/svg+xml;base64" and b"<svg" in base64.b64decode(content)
    assert not re.search(r'(href|src|url\()\s*=?\s*["\']?https?:', whole) and "<script" not in whole
    assert page.write(folder, settings)[0].read_text() == whole  # the same folder, the same page


def test_the_best_so_far_is_that_of_one_level(folder: Folder) -> None:
    records = folder.records()
    assert facts.history(records, 80) == [(1, 44.0, 44.0), (2, 41.0, 44.0)]
    assert facts.history(records, 20) == [(0, 25.0, 25.0), (1, 30.0, 30.0), (2, 31.0, 31.0)]
    assert facts.history(records, 10)[3:5] == [(3, 90.0, 90.0), (4, 24.0, 90.0)]
    assert facts.history(records, 70) == []


def test_environment_ledger_and_confirmation_where_they_are(folder: Folder, settings: Settings) -> None:
    bare = text_of(page.write(folder, settings)[0])
    assert "not recorded" in bare and "What it cost" not in bare and "tune confirm" in bare and "not confirmed" in bare
    environment.record(folder, ["machines   2 CPU on 1 node"])
    attempt = Attempt(start=0.0, last=3600.0, end=3600.0, cpus=2.0, gpus=0.0, how="complete")
    write_json(folder.trial("0001") / ATTEMPTS / "00.json", asdict(attempt))
    estimate = {"count": 3, "mean": 43.2, "low": 42.0, "high": 44.4}
    minus = {"defaults": {"count": 3, "mean": 1.5, "low": -0.5, "high": 3.5, "verdict": "not separable"}}
    write_json(
        folder.root / "confirm.json",
        {
            "interval": "Student's t, 95%",
            "confirm": {"images": 50, "split": "val:1/2"},
            "candidates": [{"label": "trial 0001", "search_miou": 44.0, **estimate, "minus": minus}],
            "notes": ["expect less"],
        },
    )
    text = text_of(page.write(folder, settings)[0])
    assert "machines 2 CPU on 1 node" in text and "Python 3" in text
    assert "1.00 trial-hours = 2.00 cpuh" in text
    assert "trial 0001 44.00 3 43.20 42.00 to 44.40 +1.50 (-0.50 to +3.50): not separable" in text
    assert "50 images of val:1/2" in text and "not confirmed" not in text and "tune confirm" not in text


def test_what_the_best_trials_teachers_said_and_who_collapsed(folder: Folder, settings: Settings) -> None:
    bare = text_of(page.write(folder, settings)[0])
    assert "teachers said" not in bare and "collapsed" not in bare
    add = {"0001": {"pseudo/coverage": 0.25, "pseudo/precision/car": 0.5}, "0004": {"collapsed": "t0 says <one> class"}}
    for id, more in add.items():
        path = folder.trial(id) / RESULTS
        *before, last = path.read_text().splitlines()
        path.write_text("\n".join([*before, json.dumps(json.loads(last) | more)]) + "\n")
    text = text_of(page.write(folder, settings)[0])
    assert "pixels with a sure label 25.0% right least often: car 50.0%" in text
    assert f"python -m ctt_ray.report {folder.trial('0001')} draws it" in text
    assert "0004 (pruned) collapsed by 10: t0 says <one> class" in text


def test_a_tables_rows_have_no_importances(folder: Folder, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its one parameter names the rows: there is nothing to attribute, and a forest over them takes minutes."""
    monkeypatch.setattr(facts.published, "summary", lambda *_: {"rows": []})
    monkeypatch.setattr(facts, "importances", lambda *_: pytest.fail("computed all the same"))
    found = facts.gather(folder, settings).importances
    assert not found.weights and found.refused == "the rows of a table are not sampled"


def test_a_campaign_without_a_score_has_a_page_too(tmp_path: Path, settings: Settings) -> None:
    folder = Folder(tmp_path / "new")
    text = text_of(page.write(folder, settings)[0])
    assert "No trial has a score yet" in text and "Not ranked: fewer than 8" in text


def test_the_command_finds_campaigns_and_runs(
    folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.html"
    assert main([str(folder.root), "--out", str(out), "--png", "--json"]) == cli.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["page"] == str(out) and len(found["figures"]) == 4
    assert all(Path(path).read_bytes().startswith(b"\x89PNG") for path in found["figures"])
    run = folder.trial("0002")
    assert main([str(run), "--out", str(out)]) == cli.DONE
    assert "41.00 % mIoU at iteration 80" in text_of(out)
    assert main([str(tmp_path / "nothing")]) == cli.USAGE
    assert "nor is it the folder of a run" in capsys.readouterr().err


def test_without_its_packages_it_says_what_to_install(
    folder: Folder, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(report.NEEDS, "no_such_module", "no-such-package")
    assert main([str(folder.root)]) == cli.ENVIRONMENT
    assert "not installed: no-such-package; pip install 'ctt-ray[report]'" in capsys.readouterr().err
    assert reported.write(folder, settings) == (
        None,
        "no report: no-such-package not installed; pip install 'ctt-ray[report]'",
    )


def test_a_report_that_breaks_fails_no_campaign(
    folder: Folder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reported.write(folder, settings) == (folder.root / "report.html", "")
    monkeypatch.setattr(page, "write", lambda *_: 1 / 0)
    path, why = reported.write(folder, settings)
    assert path is None and "ZeroDivisionError" in why
