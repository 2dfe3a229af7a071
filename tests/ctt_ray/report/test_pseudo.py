"""What a run's page shows of its pseudo-labels: the numbers of its reports, and nothing that was not measured."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from matplotlib import pyplot as plt

from ctt_ray.report import pseudo
from ctt_ray.report.run import write
from ctt_ray.train.session import RESULTS

CLASSES = ("road", "a/b", "sky")
SUPERVISED: list[dict[str, Any]] = [
    {"iteration": at, "miou": 20.0 + at / 10, "seconds": at, "labels/share/road": 1.0} for at in (10, 20, 30)
]


def report(at: int) -> dict[str, Any]:
    """At 10 still in warm-up; sky is never said."""
    found: dict[str, Any] = {"iteration": at, "miou": 30.0 + at, "seconds": at, "bank/opened_at": 14 if at > 14 else -1}
    found |= {
        f"bank/fill/{t}/{name}": at // (2 + i + (t == "t1")) for i, name in enumerate(CLASSES) for t in ("t0", "t1")
    }
    found |= {"follow/distance/s0-t0": 0.01 * at, "pairs/distance/s0-s1": 1.0}
    found |= {f"labels/share/{name}": share for name, share in zip(CLASSES, (0.6, 0.3, 0.1), strict=True)}
    if at > 10:
        found |= {
            "pseudo/coverage": at / 100,
            "pseudo/accuracy": 0.5,
            "pairs/agree": 0.75,
            "follow/disagree/s0-t0": 0.3,
        }
        found |= {"pseudo/predicted/road": 0.9, "pseudo/predicted/a/b": 0.1, "pseudo/predicted/sky": 0.0}
        found |= {"pseudo/precision/road": 0.625, "pseudo/precision/a/b": 0.25}
        found |= {f"pseudo/confidence/{i / 10:g}": 1.0 if i == 9 else 0.0 for i in range(10)}
    return found


LINES = [report(at) for at in (10, 20, 30)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    alarmed = [line | ({"collapsed": "t0 says one <class>"} if line["iteration"] > 10 else {}) for line in LINES]
    (folder / RESULTS).write_text("".join(json.dumps(line) + "\n" for line in alarmed))
    return folder


def text_of(page: Path) -> str:
    return html.unescape(" ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page.read_text(), flags=re.S).split()))


def test_a_page_has_them_all_and_the_alarm_on_top(run: Path) -> None:
    page, *pictures = write(run, png=True)
    names = ["curves", "sureness", "classes", "confidence", "queues", "likeness"]
    assert [path.name for path in pictures] == [f"report_{name}.png" for name in names]
    assert len(re.findall(r'src="data:image/svg', page.read_text())) == len(names)
    text = text_of(page)
    assert "Pseudo-labels" in text and "Collapsed from 20 to 30, in 2 of 3 reports: t0 says one <class>." in text
    assert "<class>" not in page.read_text() and not plt.get_fignums()


def test_a_supervised_run_has_no_such_section(run: Path) -> None:
    (run / RESULTS).write_text("".join(json.dumps(line) + "\n" for line in SUPERVISED))
    page, *pictures = write(run, png=True)
    assert "Pseudo-labels" not in text_of(page) and [path.name for path in pictures] == ["report_curves.png"]
    assert pseudo.draw([]) == {} == pseudo.draw(SUPERVISED) and pseudo.table(SUPERVISED[-1]) == []  # type: ignore[arg-type]


def test_the_figures_show_the_numbers() -> None:
    drawn = pseudo.draw(LINES)  # type: ignore[arg-type]
    (sure,) = drawn["sureness"].axes
    assert [line.get_xydata().tolist() for line in sure.get_lines()] == [  # type: ignore[union-attr]
        [[20, 0.2], [30, 0.3]], [[20, 0.5], [30, 0.5]],
    ]  # fmt: skip
    left, right = drawn["classes"].axes
    assert [bar.get_width() for bar in left.patches] == [0.625, 0.25, 0.0]  # type: ignore[attr-defined]
    assert [text.get_text() for text in left.texts] == [" never said"]
    assert [bar.get_width() for bar in right.patches] == [0.9, 0.1, 0.0, 0.6, 0.3, 0.1]  # type: ignore[attr-defined]
    assert [label.get_text() for label in left.get_yticklabels()] == ["road", "a/b", "sky"]
    bins = drawn["confidence"].axes[0].images[0].get_array()
    assert bins is not None and bins.tolist() == [[0, 0]] * 9 + [[1, 1]]
    banks = drawn["queues"].axes[0]
    rows = banks.images[0].get_array()
    assert rows is not None and rows.tolist() == [[3, 6, 10], [2, 5, 7], [2, 4, 6]]  # the emptier bank's
    assert [line.get_xdata() for line in banks.get_lines()] == [[0.5, 0.5]], "between 10 and 20, where it opened"
    said, apart = drawn["likeness"].axes
    assert [line.get_ydata().tolist() for line in said.get_lines()] == [[0.3, 0.3], [0.25, 0.25]]  # type: ignore[union-attr]
    assert [text.get_text().strip() for text in apart.texts] == ["s0-t0", "s0-s1"]
    for figure in drawn.values():
        plt.close(figure)


def test_the_best_trials_numbers_in_a_table() -> None:
    assert pseudo.table(LINES[-1]) == [  # type: ignore[arg-type]
        ("pixels with a sure label", "30.0%"),
        ("right", "50.0%"),
        ("labelled alike by two teachers", "75.0%"),
        ("right least often: a/b", "25.0%"),
        ("never said: sky", "1 of 3"),
        ("weights of the nearest students (s0-s1) apart", "1"),
    ]
