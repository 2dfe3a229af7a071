"""Different samples, identical curves: told; anything else: not."""

from typing import Any

from ctt_ray.tune.folder import Issued, Record
from ctt_ray.tune.twins import explain, twin_of


def record(id: str, tau: float, *losses: float, **more: Any) -> Record:
    lines = [
        {
            "iteration": 10 * (n + 1),
            "miou": 40.0,
            "s0/sup": loss,
            "seconds": float(id),
            "data_wait_s": float(id),
            "config_hash": id,
            **more,
        }
        for n, loss in enumerate(losses)
    ]
    return Record(Issued(id, {"tau": tau}, {"tau_hc": tau, "lr": 0.1}, id), lines)


def test_equal_to_the_last_bit() -> None:
    one, other = record("2", 0.5, 1.25, 1.0), record("1", 0.1, 1.25, 1.0)
    assert twin_of(one, [record("0", 0.3, 1.25, 0.5), other]) is other
    said = explain(one, other)
    assert "trials 1 and 2" in said
    assert "tau_hc 0.5 and 0.1" in said
    assert "lr" not in said.partition("tau_hc")[0]
    assert "iteration 20" in said


def test_one_digit_is_enough_to_differ() -> None:
    assert twin_of(record("1", 0.5, 1.25, 1.0), [record("0", 0.1, 1.25, 1.0 + 2e-16)]) is None


def test_the_same_sample_may_have_the_same_curve() -> None:
    assert twin_of(record("1", 0.5, 1.25, 1.0), [record("0", 0.5, 1.25, 1.0)]) is None


def test_shorter_curves_do_not_compare() -> None:
    assert twin_of(record("1", 0.5, 1.25, 1.0), [record("0", 0.1, 1.25, 1.0, 0.9)]) is None
    assert twin_of(record("1", 0.5, 1.25), [record("0", 0.1, 1.25)]) is None


def test_not_itself() -> None:
    one = record("1", 0.5, 1.25, 1.0)
    assert twin_of(one, [one]) is None
