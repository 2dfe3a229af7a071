"""A verb is found in the table, gets what follows it, and a misspelt one is answered, never run as a campaign."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

import pytest

from ctt_ray.config import ConfigError
from ctt_ray.tune import verbs
from ctt_ray.tune.__main__ import main


def test_a_verb_gets_what_follows_it_and_gives_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Sequence[str]] = []
    module = ModuleType("made_up")
    module.look = lambda argv: seen.append(argv) or 5  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "made_up", module)
    assert verbs.run(["look", "camp", "--json"], {"look": "made_up:look"}) == 5
    assert seen == [["camp", "--json"]]


def test_flags_are_no_verb() -> None:
    assert not verbs.is_verb([]) and not verbs.is_verb(["--space", "demo"]) and verbs.is_verb(["status"])


def test_an_unknown_verb_is_named_with_its_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown verb 'statsu', did you mean 'status'"):
        verbs.run(["statsu", "camp"], {"status": "nowhere:status"})


def test_the_command_answers_an_unknown_verb_with_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "camp"]) == 2
    assert "unknown verb 'sweep'" in capsys.readouterr().err


@pytest.mark.parametrize("verb", verbs.VERBS)
def test_every_verb_of_the_table_exists(verb: str) -> None:
    with pytest.raises(SystemExit) as ended:
        verbs.run([verb, "--help"])
    assert ended.value.code == 0
