"""Learning-rate factors."""

from __future__ import annotations

import math

import pytest

from ctt_ray.maths import schedules


def test_rule_19_poly_at_start_half_and_end() -> None:
    assert schedules.poly(0, 100) == 1
    assert schedules.poly(50, 100, 0.9) == pytest.approx(0.5**0.9)
    assert schedules.poly(50, 100, 2.0) == 0.25
    assert schedules.poly(100, 100) == 0 == schedules.poly(170, 100)
    factors = [schedules.poly(step, 100) for step in range(101)]
    assert factors == sorted(factors, reverse=True)


def test_power_zero_is_constant_and_no_steps_are_refused() -> None:
    assert schedules.poly(30, 100, 0.0) == 1
    with pytest.raises(ValueError, match="at least one step"):
        schedules.poly(0, 0)


def test_ramp_up_by_hand() -> None:
    assert schedules.ramp_up(0.0, 0.15) == pytest.approx(math.exp(-5))
    assert schedules.ramp_up(0.075, 0.15) == pytest.approx(math.exp(-1.25))
    assert schedules.ramp_up(0.15, 0.15) == schedules.ramp_up(0.9, 0.15) == schedules.ramp_up(0.0, 0.0) == 1
