"""The ledger against sums by hand, and the budget that counts the same files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest

from ctt_ray.config import ConfigError
from ctt_ray.tune import attempts, budget, forecast, ledger
from ctt_ray.tune.attempts import Attempt, How
from ctt_ray.tune.board import Board
from ctt_ray.tune.budget import Budget, Spending
from ctt_ray.tune.capacity import Node, capacity
from ctt_ray.tune.folder import Folder, write_json
from ctt_ray.tune.settings import Settings

HOUR = 3600.0


def tried(
    start: float, end: float | None, how: How, *, saved: float = 0.0, cpus: float = 4, gpus: float = 2
) -> Attempt:
    """Times in hours."""
    return Attempt(start * HOUR, start * HOUR, end and end * HOUR, cpus, gpus, saved_at=saved * HOUR, how=how)


ATTEMPTS = {
    "0000": [tried(0, 1, "preempted", saved=0.75), tried(1, 2, "died", saved=1.5), tried(2, 3, "complete")],
    "0001": [tried(0, 2, "failed")],
    "0002": [tried(0, None, "")],
}


def test_hours_by_hand() -> None:
    first, failed, running = ledger.ledger(ATTEMPTS, now=4 * HOUR)
    assert (first.attempts, first.hours, first.cpu_hours, first.gpu_hours) == (3, 3, 12, 6)
    assert (first.preemptions, first.lost_to_preemption, first.deaths, first.lost_to_failure) == (1, 0.25, 1, 0.5)
    assert (failed.hours, failed.failed_hours, failed.lost_to_failure) == (2, 2, 0)
    assert running.hours == 4, "what runs counts up to now"
    every = ledger.total([first, failed, running])
    assert (every.trial, every.hours, every.gpu_hours, every.lost_to_preemption) == ("all", 9, 18, 0.25)
    assert ledger.total([]).hours == 0


def test_in_words() -> None:
    said = ledger.line(ledger.ledger(ATTEMPTS, now=4 * HOUR))
    assert said == (
        "9.00 trial-hours = 36.00 cpuh + 18.00 gpuh in 5 attempts at 3 trials; lost 0.25 h to 1 preemptions; "
        "lost 0.50 h to 1 dead processes; 2.00 h in failed trials"
    )
    assert "lost" not in ledger.line([]) and "gpuh" not in ledger.line([])


@pytest.fixture
def campaign(folder: Folder, put: Callable[..., None]) -> Folder:
    put("0000", {80: 1.0}, "complete")
    put("0001", {10: 1.0}, "failed")
    put("0002", {10: 1.0})
    for id, tries in ATTEMPTS.items():
        for number, attempt in enumerate(tries):
            write_json(folder.trial(id) / attempts.ATTEMPTS / f"{number:02d}.json", vars(attempt))
    return folder


def test_the_folder_gives_the_same_and_the_csv_ends_with_the_sum(campaign: Folder) -> None:
    assert ledger.of(campaign, now=4 * HOUR) == ledger.ledger(ATTEMPTS, now=4 * HOUR)
    rows = list(csv.DictReader(io.StringIO(ledger.as_csv(ledger.of(campaign, now=4 * HOUR)))))
    assert [row["trial"] for row in rows] == ["0000", "0001", "0002", "all"]
    assert float(rows[-1]["hours"]) == 9 and float(rows[0]["lost_to_failure"]) == 0.5
    ledger.write(campaign)
    assert (campaign.root / "ledger.csv").read_text().startswith("trial,attempts,hours")


@pytest.mark.parametrize(
    ("text", "hours", "unit"),
    [("12gpuh", 12, "gpuh"), ("8cpuh", 8, "cpuh"), ("1.5gpuh", 1.5, "gpuh"), (" .5 CPUh ", 0.5, "cpuh")],
)
def test_budgets_are_read(text: str, hours: float, unit: str) -> None:
    assert budget.parse(text) == Budget(hours, unit)  # type: ignore[arg-type]


def test_no_budget() -> None:
    assert budget.parse("") is None and budget.exhausted(None, 1e9) == ""


@pytest.mark.parametrize("text", ["12", "gpuh", "-1gpuh", "0gpuh", "1e3cpuh", "nancpuh", "12gpu", "3h"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="for example --budget 12gpuh"):
        budget.parse(text)


def test_gpu_hours_need_a_gpu() -> None:
    with pytest.raises(ConfigError, match="give the budget in cpuh"):
        budget.check(Budget(1, "gpuh"), gpus=0)
    budget.check(Budget(1, "gpuh"), gpus=0.5)
    budget.check(None, gpus=0)


def test_every_attempt_counts_and_the_message_says_how_to_go_on(campaign: Folder) -> None:
    assert budget.used(campaign, "cpuh", now=4 * HOUR) == 36
    assert budget.used(campaign, "gpuh", now=4 * HOUR) == 18
    assert budget.exhausted(Budget(18.01, "gpuh"), 18) == ""
    assert budget.exhausted(Budget(18, "gpuh"), 18) == (
        "the budget is used up, 18 of 18 gpuh (a larger --budget goes on)"
    )


def test_the_running_campaign_counts_the_same(campaign: Folder, settings: Settings) -> None:
    now = [4 * HOUR]
    board = Board(campaign, iterations=settings.iterations, total=settings.trials)
    spending = Spending(Budget(40, "cpuh"), board, clock=lambda: now[0])
    assert spending() == ""
    now[0] = 5 * HOUR - 1  # the running trial's 4 CPUs: 4 cpuh an hour
    assert spending() == ""
    now[0] = 5 * HOUR
    assert "40 of 40 cpuh" in spending()


def test_the_forecast_is_held_against_it(campaign: Folder, settings: Settings) -> None:
    said = budget.forecast(Budget(12, "gpuh"), 2, hours=2.5, devices=4)
    assert said == (
        "budget     12 gpuh: 2.00 used, 10.00 left; the forecast needs 2.50 trial-hours x 4 = 10.00 gpuh, enough"
    )
    assert "NOT enough" in budget.forecast(Budget(11.9, "gpuh"), 2, hours=2.5, devices=4)
    assert budget.forecast(Budget(12, "gpuh"), 13, hours=None, devices=4).endswith("13.00 used, 0.00 left")
    room = capacity([Node(8)], trials=6, workers=2, cpus=2)
    left = forecast.steps(4, settings.rungs, 80, 2) / HOUR  # a second a step
    line = forecast.budget_line(Budget(99, "cpuh"), settings, campaign, room, workers=2)
    assert f"needs {left:.2f} trial-hours x 4 = {4 * left:.2f} cpuh" in line
