"""The forecast against counting by hand."""

from __future__ import annotations

from collections.abc import Callable

from ctt_ray.tune import forecast
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.settings import Settings


def test_without_rungs_every_trial_runs_to_its_end() -> None:
    assert forecast.steps(7, [], 100, 4) == 700


def test_halving_by_hand() -> None:
    # 8 trials to 10, 4 of them to 20, 2 to 40, 1 to 80
    assert forecast.steps(8, [10, 20, 40], 80, 2) == 8 * 10 + 4 * 10 + 2 * 20 + 1 * 40


def test_hours_come_from_trials_that_were_timed(folder: Folder, settings: Settings, put: Callable[..., None]) -> None:
    fresh = forecast.lines(settings, [], concurrent=2)
    assert "6 of 6 trials left" in fresh[0] and "unknown before the first trial" in fresh[1]
    put("0000", {80: 1.0}, "complete")  # a second a step
    text = "\n".join(forecast.lines(settings, folder.records(), concurrent=2))
    left = forecast.steps(5, settings.rungs, 80, 2)
    assert f"about {left:,.0f} steps" in text and "1000 ms a step" in text
    assert f"{left / 3600:.2f} trial-hours, {left / 7200:.2f} h with 2 at once" in text


def test_nothing_left(folder: Folder, settings: Settings, put: Callable[..., None]) -> None:
    for number in range(6):
        put(f"{number:04d}", {80: 1.0}, "complete")
    assert "0 of 6 trials left: about 0 steps" in forecast.lines(settings, folder.records(), 1)[0]
