"""Who is confirmed, how equal ones are merged, and that what is asked for later only adds."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_search import POINTS, make_search, put

from ctt_ray.config import ConfigError
from ctt_ray.tune import candidates
from ctt_ray.tune.candidates import Candidate
from ctt_ray.tune.folder import Folder, Outcome
from ctt_ray.tune.settings import Settings
from tune_spaces import Fidelity, load


@pytest.fixture
def search(tmp_path: Path) -> tuple[Folder, Settings]:
    return make_search(tmp_path / "camp", Path("data"), "val:0/2", [40.0, 42.0, 45.0, 41.0])


def chosen(search: tuple[Folder, Settings], best: int) -> list[Candidate]:
    folder, settings = search
    return candidates.choose(folder.records(), settings, dict(POINTS[0]), best)


def test_the_best_at_full_length_the_defaults_and_the_baseline(search: tuple[Folder, Settings]) -> None:
    defaults, supervised, first, second = chosen(search, 2)
    assert (defaults.name, defaults.values, defaults.trial, defaults.miou, defaults.place) == (
        "defaults", POINTS[0], "0000", 40.0, 0,
    )  # fmt: skip
    assert (supervised.name, supervised.values) == ("supervised", {**POINTS[0], "method": "supervised"})
    assert supervised.miou is None
    assert [(c.name, c.place, c.miou) for c in (first, second)] == [("0002", 1, 45.0), ("0001", 2, 42.0)]


def test_a_trial_that_was_stopped_early_or_failed_is_no_candidate(search: tuple[Folder, Settings]) -> None:
    folder, settings = search
    put(folder, settings, "0004", {"lr": 0.1, "phi": 0.9}, 99.0)
    folder.settle("0004", Outcome("pruned", 40, 99.0))
    put(folder, settings, "0005", {"lr": 0.1, "phi": 0.8}, 98.0)
    folder.settle("0005", Outcome("failed", 40, None))
    assert [c.name for c in chosen(search, 1)] == ["defaults", "supervised", "0002"]


def test_equal_configurations_are_one_candidate(tmp_path: Path) -> None:
    folder, settings = search = make_search(tmp_path / "camp", Path("data"), "val:0/2", [46.0, 42.0, 45.0])
    put(folder, settings, "0003", {"lr": 0.1, "phi": 0.2}, 44.0)  # 0002 again
    found = chosen(search, 3)
    assert [(c.name, c.place) for c in found] == [("defaults", 1), ("supervised", 0), ("0002", 2), ("0001", 3)]
    assert found[0].label == "defaults = 0000"


def test_a_search_of_supervised_runs_has_no_other_baseline(tmp_path: Path) -> None:
    search = make_search(tmp_path / "camp", Path("data"), "val:0/2", [40.0, 42.0], method="supervised")
    assert [c.name for c in chosen(search, 1)] == ["defaults", "0001"]


def test_nothing_finished_is_nothing_to_confirm(tmp_path: Path) -> None:
    search = make_search(tmp_path / "camp", Path("data"), "val:0/2", [])
    with pytest.raises(ConfigError, match="nothing to confirm"):
        chosen(search, 1)


def test_a_confirmation_only_grows(search: tuple[Folder, Settings]) -> None:
    known = chosen(search, 1)
    grown = candidates.merged(known, chosen(search, 2), search[1])
    assert [c.name for c in grown] == ["defaults", "supervised", "0002", "0001"]
    put(*search, "0009", {"lr": 0.5, "phi": 0.5}, 60.0)
    later = candidates.merged(grown, chosen(search, 1), search[1])
    assert [(c.name, c.place) for c in later] == [
        ("defaults", 0), ("supervised", 0), ("0002", 0), ("0001", 0), ("0009", 1),
    ]  # fmt: skip
    stored = candidates.points(known, [5, 6], [])
    asked = candidates.points(grown, [5, 6, 7], stored)
    assert asked[: len(stored)] == stored and len(asked) == 12
    assert len({(p["candidate"], p["seed"]) for p in asked}) == 12


def test_points_go_seed_by_seed_and_the_space_gives_their_values(search: tuple[Folder, Settings]) -> None:
    known = chosen(search, 1)
    points = candidates.points(known, [5, 6], [])
    assert [(p["candidate"], p["seed"]) for p in points[:4]] == [
        ("defaults", 5), ("supervised", 5), ("0002", 5), ("defaults", 6),
    ]  # fmt: skip
    space = candidates.space("confirm", known, points, Fidelity(4, 1, 2))
    assert space.values(points[1]) == {**POINTS[0], "method": "supervised", "seed": 5}


def test_candidates_survive_their_file(search: tuple[Folder, Settings], tmp_path: Path) -> None:
    assert candidates.read(tmp_path) == []
    candidates.write(tmp_path, chosen(search, 2))
    assert candidates.read(tmp_path) == chosen(search, 2)


def test_defaults_come_from_the_trial_that_had_them_else_from_the_space(search: tuple[Folder, Settings]) -> None:
    folder, settings = search
    assert candidates.default_values(folder.records(), settings) == POINTS[0]
    with pytest.raises(ConfigError, match="unknown space 'small'"):
        candidates.default_values([], settings)
    unknown = settings.model_copy(update={"space": "camvid"})
    with pytest.raises(ConfigError, match="is missing"):
        candidates.default_values([], unknown)
    grid = settings.model_copy(update={"space": "camvid", "points": ()})  # a grid tries no points of its own
    camvid = load("camvid")
    assert candidates.default_values(folder.records(), grid) == camvid.values(camvid.points[0])
