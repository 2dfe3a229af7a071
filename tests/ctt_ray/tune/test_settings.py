"""What a campaign is, kept and compared."""

from __future__ import annotations

import pytest

from ctt_ray.config import ConfigError
from ctt_ray.tune import settings as settings_of
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.settings import Settings


def test_settings_survive_their_file(folder: Folder, settings: Settings) -> None:
    assert settings_of.load(folder) is None
    settings_of.save(folder, settings)
    assert settings_of.load(folder) == settings


def test_rungs_follow_ladder_and_length(settings: Settings) -> None:
    assert settings.rungs == [10, 20, 40]
    assert settings.model_copy(update={"scheduler": "none"}).rungs == []


def test_differences_are_named_with_both_values(folder: Folder, settings: Settings) -> None:
    other = settings.model_copy(
        update={"seed": 3, "base": settings.base.model_copy(update={"labelled": "n24_s0"}), "trials": 99}
    )
    with pytest.raises(ConfigError) as caught:
        settings_of.check_same(folder.settings, settings, other)
    text = str(caught.value)
    assert "seed: 0 there, 3 asked" in text and "labelled: 'all' there, 'n24_s0' asked" in text
    assert "trials" not in text and "another --name" in text
    settings_of.check_same(folder.settings, settings, settings.model_copy(update={"trials": 99}))


@pytest.mark.parametrize(
    ("stored", "asked", "extend", "finished", "total"),
    [
        (None, 8, 0, 0, 8),
        (None, 8, 4, 0, 12),
        (8, 8, 0, 3, 8),
        (8, 16, 0, 3, 16),
        (8, 4, 0, 3, 8),  # never fewer than there are
        (8, 8, 4, 8, 12),
        (12, 8, 4, 9, 12),  # the same --extend command after a kill adds nothing
        (12, 8, 4, 12, 16),
        (12, 8, 0, 9, 12),  # the first command again, after an extension
    ],
)
def test_total(stored: int | None, asked: int, extend: int, finished: int, total: int) -> None:
    assert settings_of.total(stored, asked, extend, finished).trials == total
