"""Four kills of one campaign, in `make test`: the harness and the promise. The long suite is test_torture.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from torture import damage, kills
from torture.harness import SUBJECT, Play
from torture.witness import check_whole

pytestmark = pytest.mark.ray


def test_four_kills_lose_nothing(tmp_path: Path) -> None:
    root = tmp_path / "camp"
    play = Play("two at once", [str(SUBJECT), str(root), "--trials", "6", "--pause", "0.006"], root, seed=1)
    rows = play.run(
        [
            (kills.trial, ()),
            (kills.writing_decision, (damage.half_a_report, damage.half_a_study, damage.stale_locks)),
            (kills.everything, (damage.half_written_jsons, damage.no_study, damage.a_stop_file)),
            (kills.writing_outcome, ()),
        ]
    )
    assert not [wrong for row in rows for wrong in row.wrong]
    assert len(rows) >= 3  # the last moment may not come: the campaign is short
    assert check_whole(root, 6) == []
