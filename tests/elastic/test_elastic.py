"""A run on one to four nodes: one is killed, one is drained, one is added, and every sample is seen as if nothing had been."""

from __future__ import annotations

from pathlib import Path

import pytest
from elastic.play import Play, table, taken

from ctt_ray import cli
from ctt_ray.config import RunConfig, with_values
from ctt_ray.train.session import read_results
from data_prep.prepare import WriteOptions, prepare
from data_prep.sources.scenes import Scenes
from data_prep.splits import make_split

pytestmark = [pytest.mark.ray, pytest.mark.slow]
BATCH, STEPS, MINUTES = 4, 160, 0.1


@pytest.fixture
def config(tmp_path: Path) -> Path:
    data = tmp_path / "scenes"
    prepare(Scenes(size=48, train=24, val=4, seed=0).open(), WriteOptions(out=data), lambda text: None)
    make_split(data, "6", name="few")
    values = {
        "data": str(data), "labelled": "few", "backbone": "mobilenet_v2", "width": 0.25, "feature_dim": 8, "crop": (32, 32),
        "batch_labelled": BATCH, "batch_unlabelled": BATCH, "iterations": STEPS, "report_every": STEPS // 4,
        "eval_limit": 2, "bank_gate": "present_classes", "n_q": 2,
    }  # fmt: skip
    path = tmp_path / "config.yaml"
    path.write_text(cli.to_yaml(with_values(RunConfig(), values)))
    return path


def test_nodes_come_and_go(config: Path, tmp_path: Path) -> None:
    play = Play(tmp_path, config, "1:4", MINUTES)
    with play.cluster(1, 1, 1, 1) as nodes:
        play.until(4, steps=12)
        play.tell("a node killed (SIGKILL)", "kill", nodes[0])
        play.until(3, steps=12)
        play.tell("a node drained, deadline in 60 s", "drain", nodes[1], 60)
        play.until(2, steps=12)
        play.tell("a node added", "add", 1)
        play.until(3, steps=12)
        assert play.finish() == cli.DONE, play.log()
    print("\n" + table(play.events) + play.log())
    killed, drained, added = play.events
    assert [(event.before, event.after) for event in play.events] == [(4, 3), (3, 2), (2, 3)]
    assert drained.repeated == 0
    assert killed.lost_s <= 60 * MINUTES + 5 and added.lost_s <= 60 * MINUTES + 5
    assert killed.gap_s <= 30
    for lane in ("labelled", "unlabelled"):
        times = taken(play.notes(), play.starts(), lane)
        assert sorted(times) == list(range(1, STEPS + 1))
        for iteration, each in times.items():
            for numbers in each[:-1]:  # the last step before a kill may lack the killed worker's note
                assert set(numbers) <= set(range((iteration - 1) * BATCH, iteration * BATCH))
            assert each[-1] == list(range((iteration - 1) * BATCH, iteration * BATCH)), iteration
        again = sum(len(each) - 1 for each in times.values())
        assert again == sum(event.repeated for event in play.events)
    assert [line["iteration"] for line in read_results(play.run)] == list(range(STEPS // 4, STEPS + 1, STEPS // 4))
