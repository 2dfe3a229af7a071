"""A run's folder survives a kill at any moment: torn lines, half checkpoints, results ahead of their checkpoint."""

from pathlib import Path

import pytest

from ctt_ray.train.session import LocalSession, read_results


def save_as(text: str):  # type: ignore[no-untyped-def]
    return lambda folder: (folder / "state.json").write_text(text)


def report(session: LocalSession, iteration: int, miou: float) -> None:
    session.report({"iteration": iteration, "miou": miou}, save_as(str(iteration)))


def test_a_fresh_folder_starts_from_nothing(tmp_path: Path) -> None:
    assert LocalSession(tmp_path).resume_from() is None


def test_best_and_last_checkpoints_stay(tmp_path: Path) -> None:
    session = LocalSession(tmp_path, keep=1)
    for iteration, miou in ((1, 10.0), (2, 50.0), (3, 20.0), (4, 30.0)):
        report(session, iteration, miou)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["00000002", "00000004"]
    assert [line["iteration"] for line in read_results(tmp_path)] == [1, 2, 3, 4]


def test_a_torn_line_and_lines_ahead_of_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    session = LocalSession(tmp_path)
    report(session, 1, 10.0)
    with (tmp_path / "result.jsonl").open("a") as out:
        out.write('{"iteration": 2, "miou": 11.0}\n{"iteration": 3, "mi')
    again = LocalSession(tmp_path)
    folder = again.resume_from()
    assert folder is not None
    assert folder.name == "00000001"
    report(again, 2, 12.0)
    assert read_results(tmp_path) == [{"iteration": 1, "miou": 10.0}, {"iteration": 2, "miou": 12.0}]


@pytest.mark.parametrize("moment", ["line", "save", "rename"])
def test_a_kill_inside_report_loses_nothing_that_was_saved(tmp_path: Path, moment: str) -> None:
    """The process ends after the line, in the middle of saving, or before the rename: the run goes on from checkpoint 1."""

    class Killed(BaseException):
        pass

    def kill(folder: Path) -> None:
        if moment != "line":
            (folder / "state.json").write_text("half")
        raise Killed

    session = LocalSession(tmp_path)
    report(session, 1, 10.0)
    with pytest.raises(Killed):
        session.report({"iteration": 2, "miou": 11.0}, kill)
    again = LocalSession(tmp_path)
    folder = again.resume_from()
    assert folder is not None
    assert folder.name == "00000001"
    assert (folder / "state.json").read_text() == "1"
    report(again, 2, 12.0)
    assert [line["miou"] for line in read_results(tmp_path)] == [10.0, 12.0]
    assert not list((tmp_path / "checkpoints").glob("*.part"))


def test_a_report_that_a_kill_cut_from_its_checkpoint_is_there_once(tmp_path: Path) -> None:
    """A checkpoint without a score, the report's line, a kill: the report is made again, and its line takes the other's place."""
    LocalSession(tmp_path).save(4, save_as("4"))
    with (tmp_path / "result.jsonl").open("a") as out:
        out.write('{"iteration": 4, "miou": 1.0}\n')
    again = LocalSession(tmp_path)
    assert again.resume_from() == tmp_path / "checkpoints" / "00000004"
    report(again, 4, 1.0)
    report(again, 8, 2.0)
    assert [line["iteration"] for line in read_results(tmp_path)] == [4, 8]
    assert [place.name for place in (tmp_path / "checkpoints").iterdir()] == ["00000008"]
