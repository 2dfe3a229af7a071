"""The two mistakes beside DataError (schema.py): a wrong argument, and one bad file that the run survives."""

from __future__ import annotations


class UsageError(Exception):
    """An argument makes no sense; the command line turns it into exit code 2."""


class BadItem(Exception):
    """One image or mask that cannot be used: it is quarantined with this reason and the run goes on."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason
