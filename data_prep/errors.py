"""The mistakes of this room: data that are not as they should be, a wrong argument, a bad file (survived), a dead process."""

from __future__ import annotations


class DataError(Exception):
    """The data are not what they should be; the command line turns it into exit code 3."""


class UsageError(Exception):
    """An argument makes no sense; the command line turns it into exit code 2."""


class WorkerDied(Exception):
    """A worker process is gone; what was finished stays. The command line turns it into exit code 4."""


class BadItem(Exception):
    """One image or mask that cannot be used: it is quarantined with this reason and the run goes on."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason

    def __reduce__(self) -> tuple[type[BadItem], tuple[str, str]]:
        return BadItem, (self.file, self.reason)  # an exception is pickled with its text alone
