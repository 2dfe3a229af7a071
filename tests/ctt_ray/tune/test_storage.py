"""The study in a journal, in SQLite, in a real PostgreSQL: the same projection, opened from elsewhere while it is used,
and never another's study in its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import optuna
import postgres_server
import pytest
from optuna.trial import TrialState
from sqlalchemy.engine import make_url

from ctt_ray.config import ConfigError
from ctt_ray.train.session import RESULTS
from ctt_ray.tune import storage
from ctt_ray.tune import study as study_of
from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import Folder, write_text
from ctt_ray.tune.searcher import StudySearcher
from ctt_ray.tune.settings import Settings
from tune_spaces import Space

READ = """
import optuna, sys
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
where = sys.argv[1]
opened = where if "://" in where else JournalStorage(JournalFileBackend(where))
for trial in optuna.load_study(study_name="camp", storage=opened).trials:
    print(trial.number, trial.state.name, trial.value, len(trial.intermediate_values))
"""


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    if why := postgres_server.missing():
        pytest.skip(why)
    with postgres_server.server() as url:
        yield url


@pytest.fixture(params=["journal", "sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, folder: Folder, tmp_path: Path) -> Path | str:
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgres_url"))
        for study in storage.database(url).get_all_studies():
            optuna.delete_study(study_name=study.study_name, storage=storage.database(url))
        return url
    return folder.study if request.param == "journal" else f"sqlite:///{tmp_path / 'study.db'}"


def searcher(folder: Folder, space: Space, settings: Settings, where: Path | str) -> StudySearcher:
    board = Board(folder, iterations=settings.iterations, total=settings.trials)
    study = study_of.rebuild(where, "camp", space, board.records, settings.points, owner=folder.root)
    return StudySearcher(board, study, space, settings, concurrent=2)


def read(where: Path | str) -> list[list[str]]:
    """The trials as another process reads them."""
    opened = str(where) if isinstance(where, Path) else str(storage.driven(make_url(where)).render_as_string(False))
    done = subprocess.run([sys.executable, "-c", READ, opened], capture_output=True, text=True, check=True)
    return [line.split() for line in done.stdout.splitlines()]


def test_another_process_reads_the_study_while_trials_run_and_after_it_was_made_anew(
    where: Path | str, folder: Folder, space: Space, settings: Settings
) -> None:
    first = searcher(folder, space, settings, where)
    first.suggest("ray_a")
    write_text(folder.trial("0000") / RESULTS, json.dumps({"iteration": 10, "miou": 3.0}) + "\n")
    first.on_trial_result("ray_a", {})
    assert read(where) == [["0", "RUNNING", "None", "1"], ["1", "WAITING", "None", "0"]]

    again = searcher(folder, space, settings, where)  # a kill, and the same command
    assert [trial.state for trial in again.study.trials] == [TrialState.WAITING] * 2
    assert again.suggest("ray_a") == {"trial": "0000"}
    lines = [json.dumps({"iteration": at, "miou": float(at)}) + "\n" for at in (10, 80)]
    write_text(folder.trial("0000") / RESULTS, "".join(lines))
    again.on_trial_complete("ray_a", {})
    searcher(folder, space, settings, where)
    assert read(where) == [["0", "COMPLETE", "80.0", "2"], ["1", "WAITING", "None", "0"]]


def test_the_study_is_the_same_wherever_it_lies(
    where: Path | str, folder: Folder, space: Space, settings: Settings, put: Callable[..., None]
) -> None:
    put("0000", {10: 1.0, 80: 8.25}, "complete", lr=0.012345678901234567, phi=0.75)
    put("0001", {10: 0.5}, "pruned", lr=0.1)
    put("0002", {}, "failed", lr=0.3)
    study = searcher(folder, space, settings, where).study
    plain = study_of.rebuild(folder.root / "plain.journal", "camp", space, folder.records(), settings.points)
    for one, other in zip(study.trials, plain.trials, strict=True):
        for name in ("number", "state", "values", "params", "distributions", "intermediate_values", "user_attrs"):
            assert getattr(one, name) == getattr(other, name), name
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]


def test_all_projections_gone_the_next_suggestion_is_the_same(
    where: Path | str, folder: Folder, space: Space, settings: Settings, put: Callable[..., None]
) -> None:
    for number in range(9):
        put(f"{number:04d}", {10: 1.0, 80: 8.0 + number % 4}, "complete", lr=0.01 * (number + 1), phi=0.1 * number)
    settings = settings.model_copy(update={"trials": 12})
    lost = Folder(folder.root.with_name("copy"))
    os.makedirs(lost.root)
    subprocess.run(["cp", "-r", str(folder.trials), str(lost.root)], check=True)
    searcher(folder, space, settings, where).suggest("ray_a")
    searcher(lost, space, settings, lost.study).suggest("ray_a")
    assert lost.issued("0009") == folder.issued("0009")


def test_anothers_study_is_refused_and_left_alone(
    where: Path | str, folder: Folder, space: Space, settings: Settings
) -> None:
    if isinstance(where, Path):
        storage.check_free(where, "camp", folder.root)  # a journal in the folder is the folder's
        return
    foreign = optuna.create_study(study_name="theirs", storage=storage.database(where))
    foreign.add_trial(optuna.trial.create_trial(value=1.0))
    for call in (
        lambda: storage.check_free(where, "theirs", folder.root),
        lambda: study_of.rebuild(where, "theirs", space, [], settings.points, owner=folder.root),
    ):
        with pytest.raises(ConfigError, match=r"no campaign made it.*use another --name") as caught:
            call()
        assert "secret" not in str(caught.value)
    study_of.rebuild(where, "camp", space, [], settings.points, owner=Path("/other/camp"))
    with pytest.raises(ConfigError, match="belongs to the campaign in /other/camp"):
        storage.check_free(where, "camp", folder.root)
    study_of.rebuild(where, "camp", space, [], settings.points, owner=Path("/other/camp"))
    names = {study.study_name for study in storage.database(where).get_all_studies()}
    assert names >= {"theirs", "camp"} and len(foreign.trials) == 1


def test_a_kill_between_making_a_study_and_claiming_it_does_not_lock_out(folder: Folder, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    optuna.create_study(study_name="camp", storage=storage.database(url))
    assert storage.empty_study(url, "camp", folder.root, ["maximize"]).user_attrs == {"campaign": str(folder.root)}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("study.db", "is no database URL; write one like sqlite:///study.db"),
        ("sqlite:////nowhere/at/all/study.db", "cannot be used: "),
        ("postgresql://me:secret@127.0.0.1:1/db", "cannot be used: |no driver"),
        ("oracle://me:secret@nowhere/db", "no driver"),
    ],
)
def test_a_database_that_cannot_be_used_says_why_and_keeps_the_password(url: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        storage.check_free(url, "camp", tmp_path)
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(find_spec("optuna_dashboard") is None, reason="optuna-dashboard is not installed")
def test_the_dashboard_opens_a_study_that_is_being_written(
    folder: Folder, space: Space, settings: Settings, put: Callable[..., None]
) -> None:
    import threading
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna_dashboard import wsgi

    class Silent(WSGIRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    put("0000", {10: 1.0, 80: 8.0}, "complete")
    live = searcher(folder, space, settings, folder.study)
    live.suggest("ray_a")
    app = wsgi(JournalStorage(JournalFileBackend(str(folder.study))))
    with make_server("127.0.0.1", 0, app, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()

        def get(path: str) -> dict[str, object]:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}", timeout=30) as answer:
                found: dict[str, object] = json.load(answer)
                return found

        (summary,) = get("/api/studies")["study_summaries"]  # type: ignore[misc]
        trials = get(f"/api/studies/{summary['study_id']}?after=0")["trials"]
        server.shutdown()
        thread.join()
    assert summary["study_name"] == "camp"
    assert [trial["state"] for trial in trials] == ["Complete", "Running"]  # type: ignore[attr-defined]
