"""Some thirty kills over five campaigns (minutes): `make test-slow`. The table of a run is in docs/results."""

from __future__ import annotations

from pathlib import Path

import pytest
from torture.plays import PLAYS, SEED

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.mark.parametrize("name", PLAYS)
def test_kills_lose_nothing(name: str, tmp_path: Path) -> None:
    rows = PLAYS[name](tmp_path, SEED)
    assert [row for row in rows if row.wrong] == []
    assert len(rows) >= 3
