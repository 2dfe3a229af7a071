"""One parameter of a space: its range or choices, and what it depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

Value = float | int | str | bool


@dataclass(frozen=True)
class Axis:
    """A range low … high (log: by factors; step: in steps; whole: integers) or choices. `when` names the choices that
    it depends on, if any."""

    name: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Value, ...] = ()
    when: str = ""
    step: float | None = None
    whole: bool = False

    def describe(self) -> str:
        return self.span() + (f" {self.scale()}" if self.scale() else "")

    def span(self) -> str:
        if self.choices:
            return " | ".join(str(choice) for choice in self.choices)
        return f"{self.low:g} … {self.high:g}"

    def scale(self) -> str:
        """'log', 'step 0.1', or nothing."""
        stepped = self.step is not None and not (self.whole and self.step == 1)
        return " ".join((["log"] if self.log else []) + ([f"step {self.step:g}"] if stepped else []))

    def under(self, when: str) -> Axis:
        return replace(self, when=when)

    def level(self, share: float) -> float | int:
        """The value at this share in [0, 1] of the range, on its scale and steps."""
        assert self.low is not None and self.high is not None
        if share == 1.0 and self.step is None:
            return self.high
        value = self.low + share * (self.high - self.low)
        if self.log:
            value = self.low * (self.high / self.low) ** share
        if self.step is not None and not self.log:
            value = self.low + round(share * int((self.high - self.low) / self.step + 1e-9)) * self.step
        return round(value) if self.whole else value

    def levels(self, count: int) -> Sequence[Value]:
        """The choices as they are; of a range `count` values from end to end, fewer where it has no more."""
        if self.choices:
            return self.choices
        return tuple(dict.fromkeys(self.level(number / (count - 1)) for number in range(count)))
