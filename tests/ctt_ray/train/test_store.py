"""The commands on a data set in a store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import stores
from tiny_runs import TINY
from tiny_scenes import make_scenes

from ctt_ray import cli
from ctt_ray.config import RunConfig, with_values
from ctt_ray.evaluate.__main__ import main as evaluate
from ctt_ray.train.__main__ import main as train
from ctt_ray.tune import trial, unseen
from ctt_ray.tune.data import choose
from data_prep.schema import DataError, load_manifest
from tune_spaces import load

BUCKET = "commands"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_scenes(tmp_path_factory.mktemp("data"))


@pytest.fixture
def url(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with stores.s3_server() as server, stores.way_to(server, monkeypatch, tmp_path / "cache", wait_s=0.5):
        yield stores.upload(folder, server, BUCKET)


def trained(data: str, storage: Path) -> dict[str, object]:
    values = with_values(
        RunConfig(), {**TINY, "iterations": 2, "report_every": 1, "batch_labelled": 2, "batch_unlabelled": 2}
    )
    config = storage.parent / "config.yaml"
    config.write_text(cli.to_yaml(values))
    arguments = [
        "--config",
        str(config),
        "--data",
        data,
        "--labelled",
        "few",
        "--workers",
        "0",
        "--storage",
        str(storage),
    ]
    assert train(arguments) == cli.DONE
    lines = (storage / "run" / "result.jsonl").read_text().splitlines()
    return {
        name: value
        for name, value in json.loads(lines[-1]).items()
        if name not in ("seconds", "data_wait_s", "config_hash")
    }


def traffic(metrics: dict[str, object]) -> dict[str, object]:
    return {name: metrics.pop(name) for name in list(metrics) if name in ("data_fetched_mib", "data_cache_hits")}


def test_a_run_is_the_same_from_a_store(
    folder: Path, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    far, near = trained(url, tmp_path / "far"), trained(str(folder), tmp_path / "near")
    size = sum(path.stat().st_size for path in folder.glob("train-*.arrow"))
    came = traffic(far)
    assert 0 < came["data_fetched_mib"] <= size / 2**20 + 1e-3 and came["data_cache_hits"] > 0  # type: ignore[operator]
    assert traffic(near) == {} and far == near
    assert evaluate([str(tmp_path / "far" / "run"), "--json"]) == cli.DONE
    scored = json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))
    assert scored["data"] == url and scored["same_data_as_trained"] is True


def test_data_that_cannot_be_read_are_exit_code_3(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for data, said in [
        (f"{url}/elsewhere", "not a prepared data set"),
        ("s3://user:secret@bucket/data", "holds credentials"),
        ("nonsense://bucket/data", "Install what reads such URLs"),
    ]:
        code = train(["--data", data, "--workers", "0", "--storage", str(tmp_path / "runs")])
        assert code == cli.DATA and said in capsys.readouterr().err


def test_a_campaign_takes_a_url_and_notes_what_it_holds(folder: Path, url: str, tmp_path: Path) -> None:
    choice = choose(load("demo"), data=url, labelled="few", campaign=tmp_path / "c", address="local")
    assert (choice.data, choice.built_in) == (url, False)
    assert choice.content == load_manifest(folder).content_hash
    with pytest.raises(DataError, match="there are: few"):
        choose(load("demo"), data=url, labelled="other", campaign=tmp_path / "c", address="local")
    by_url = choose(load("demo"), data=folder.as_uri(), labelled="few", campaign=tmp_path / "c", address="local")
    assert by_url.data == str(folder)
    assert unseen.check(url, "few", search="val:0/2", confirm="val:1/2") == unseen.check(
        folder, "few", search="val:0/2", confirm="val:1/2"
    )


def test_a_trial_of_data_that_changed_under_the_campaign_is_refused(folder: Path, url: str, tmp_path: Path) -> None:
    content = load_manifest(url).content_hash
    trial.check_content(url, content)
    trial.check_content("nowhere", "")
    changed = Path(shutil.copytree(folder, tmp_path / "changed"))
    manifest = changed / "manifest.json"
    manifest.write_text(manifest.read_text().replace(content, "0" * 64))
    for place in (str(changed), url):
        other = content if place != url else "0" * 64
        with pytest.raises(DataError, match="was changed under the campaign"):
            trial.check_content(place, other)
