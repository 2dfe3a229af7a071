"""Intervals of few runs: against printed tables, SciPy, and sums done by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctt_ray.tune.statistics import Estimate, estimate, paired, t_quantile, t_share


@pytest.mark.parametrize(
    ("freedom", "printed"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (9, 2.262), (10, 2.228), (29, 2.045), (30, 2.042)],
)
def test_quantiles_are_those_of_the_printed_table(freedom: int, printed: float) -> None:
    assert t_quantile(freedom) == pytest.approx(printed, abs=5e-4)


def test_quantiles_with_a_closed_form() -> None:
    for level in (0.5, 0.9, 0.99):
        assert t_quantile(1, level) == pytest.approx(math.tan(math.pi * level / 2))
        assert t_quantile(2, level) == pytest.approx(level * math.sqrt(2 / (1 - level**2)))


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 8, 49, 50])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.999])
def test_quantiles_are_those_of_scipy(freedom: int, level: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert t_quantile(freedom, level) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), rel=1e-9)


@given(st.integers(1, 60), st.floats(0, 50))
def test_a_share_grows_from_0_to_1(freedom: int, t: float) -> None:
    assert t_share(0, freedom) == 0
    assert 0 <= t_share(t, freedom) <= t_share(t + 0.1, freedom) + 1e-12 <= 1 + 1e-11


def test_an_interval_by_hand() -> None:
    """60, 62, 64: mean 62, s = 2, half width 4.30265 · 2 / √3 = 4.96827."""
    found = estimate([60, 62, 64])
    assert (found.count, found.mean) == (3, 62)
    assert (found.low, found.high) == (pytest.approx(57.03173, abs=1e-4), pytest.approx(66.96827, abs=1e-4))


def test_an_interval_against_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = [51.2, 49.9, 53.0, 50.4, 52.7]
    wanted = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = estimate(values)
    assert (found.low, found.high) == (pytest.approx(wanted.low), pytest.approx(wanted.high))


def test_few_values_have_no_interval() -> None:
    assert estimate([]) == Estimate(0, None)
    assert estimate([7.0]) == Estimate(1, 7.0)
    assert estimate([7.0, 9.0]) == Estimate(2, 8.0)
    assert estimate([7.0, 9.0]).verdict == "too few runs"


def test_pairing_removes_what_the_seeds_do_to_both() -> None:
    base = {1: 10.0, 2: 30.0, 3: 50.0}
    better = {seed: value + 1 + 0.1 * seed for seed, value in base.items()}
    found = paired(better, base)
    assert found.mean == pytest.approx(1.2) and found.verdict == "better"
    assert paired(base, better).verdict == "worse"
    assert estimate(list(better.values())).low < estimate(list(base.values())).high  # type: ignore[operator]


def test_only_seeds_of_both_count() -> None:
    assert paired({1: 5.0, 2: 6.0, 4: 9.0}, {2: 4.0, 3: 1.0, 4: 6.0}) == Estimate(2, 2.5)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([1, 2, 3], "not separable"), ([2, 2.1, 2.2], "better"), ([-2, -2.1, -2.2], "worse"), ([0, 0, 0], "always equal")],
)
def test_verdicts(values: list[float], verdict: str) -> None:
    """1, 2, 3: mean 2, half width 4.303 / √3 = 2.48, so 0 is inside."""
    assert estimate(values).verdict == verdict


def test_what_has_no_quantile_is_refused() -> None:
    for freedom, level in ((0, 0.95), (3, 1.0), (3, 0.0)):
        with pytest.raises(ValueError, match="needed are"):
            t_quantile(freedom, level)
