"""Which failures are tried again, how long, and what is said."""

from __future__ import annotations

import pytest

from data_prep.errors import DataError
from data_prep.store.patience import Patience, Unreachable, patiently

URL = "s3://bucket/data/train-00000.arrow"


def test_pauses_double_within_their_scatter_and_add_up_to_the_wait() -> None:
    pauses = list(Patience(wait_s=100.0, first_s=1.0, longest_s=16.0).pauses("a"))
    assert len(pauses) == 9  # 1 + 2 + 4 + 8 + 16 · 5 = 95
    for pause, middle in zip(pauses, [1, 2, 4, 8, 16, 16, 16, 16, 16], strict=True):
        assert 0.5 * middle <= pause <= 1.5 * middle
    assert pauses == list(Patience(wait_s=100.0, first_s=1.0, longest_s=16.0).pauses("a"))
    assert pauses != list(Patience(wait_s=100.0, first_s=1.0, longest_s=16.0).pauses("b"))
    assert list(Patience(wait_s=0.0).pauses("a")) == []


def failing(*errors: Exception) -> tuple[list[float], object]:
    """Calls an action that raises these one after another and then works; (pauses, what it gave)."""
    left, slept = list(errors), list[float]()

    def action() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return slept, patiently(action, URL, Patience(wait_s=4.0, first_s=1.0), sleep=slept.append)


@pytest.mark.parametrize(
    "text",
    [
        "AWS Error NETWORK_CONNECTION during GetObject operation: curlCode: 28, Timeout was reached",
        "AWS Error UNKNOWN (HTTP status 500) during HeadObject operation",
        "AWS Error SLOW_DOWN during GetObject operation",
        "AWS Error UNKNOWN (HTTP status 429) during GetObject operation",
    ],
)
def test_what_may_pass_is_tried_again(text: str) -> None:
    slept, found = failing(OSError(text), ConnectionResetError("reset"))
    assert found == "done" and len(slept) == 2


@pytest.mark.parametrize(
    ("error", "raised", "said"),
    [
        (FileNotFoundError("Path does not exist"), FileNotFoundError, f"there is no {URL}"),
        (OSError("AWS Error NO_SUCH_BUCKET during GetObject operation"), FileNotFoundError, "there is no"),
        (OSError("AWS Error ACCESS_DENIED during HeadObject operation"), DataError, "AWS_ACCESS_KEY_ID"),
        (OSError("AWS Error INVALID_ACCESS_KEY_ID during HeadObject"), DataError, "denies access"),
        (OSError("google::cloud::Status(PERMISSION_DENIED: no)"), DataError, "denies access"),
        (OSError("AWS Error UNKNOWN (HTTP status 301) during HeadObject"), DataError, "its region"),
        (PermissionError("no"), DataError, "denies access"),
    ],
)
def test_what_no_try_can_mend_is_raised_at_once(error: Exception, raised: type[Exception], said: str) -> None:
    slept: list[float] = []

    def action() -> None:
        raise error

    with pytest.raises(raised, match=said):
        patiently(action, URL, Patience(), sleep=slept.append)
    assert slept == []


def test_an_error_of_ones_own_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())


def test_the_end_of_patience_names_url_tries_and_the_last_cause(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Unreachable, match=rf"{URL} could not be read in 3 tries: OSError: third\. .*AWS_ENDPOINT_URL"):
        failing(OSError("first"), OSError("second"), OSError("third"), OSError("fourth"))


def test_from_the_third_failure_on_somebody_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    left = [OSError("gone")] * 3

    def action() -> str:
        if left:
            raise left.pop()
        return "done"

    patiently(action, URL, Patience(wait_s=60.0, first_s=1.0), sleep=lambda pause: None)
    assert capsys.readouterr().err.count("OSError: gone; try 4 in ") == 1


def test_the_environment_says_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Patience.usual().wait_s == 120.0
    monkeypatch.setenv("CTT_RAY_STORE_WAIT_S", "7.5")
    assert Patience.usual().wait_s == 7.5
    monkeypatch.setenv("CTT_RAY_STORE_WAIT_S", "long")
    with pytest.raises(DataError, match="CTT_RAY_STORE_WAIT_S=long: needed is a number of seconds"):
        Patience.usual()
