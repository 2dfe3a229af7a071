"""What a check found: ok, warn or fail, and a sentence that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    state: State
    check: str
    said: str

    def line(self) -> str:
        return f"{self.state:<5} {self.check:<14} {self.said}"
