"""Numbers of a sample come from its key and their use."""

from __future__ import annotations

from ctt_ray.maths import draws


def test_same_key_and_use_give_the_same_numbers() -> None:
    assert draws.uniforms(12, "cutmix", 5) == draws.uniforms(12, "cutmix", 5)
    assert draws.uniforms(12, "cutmix", 5)[:3] == draws.uniforms(12, "cutmix", 3)


def test_uses_and_keys_do_not_share_numbers() -> None:
    """Keys that agree in their low 32 bits too: torch's own seeding would not tell them apart."""
    keys = [0, 1, -1, 2**32, 2**32 + 1, -(2**63), 2**63 - 1, 5, 5 + 2**40]
    streams = {tuple(draws.uniforms(key, use, 2)) for key in keys for use in ("cutmix", "classmix", "colour")}
    assert len(streams) == len(keys) * 3


def test_numbers_of_consecutive_keys_look_uniform() -> None:
    first = [draws.uniforms(key, "colour", 1)[0] for key in range(4000)]
    tenths = [sum(int(value * 10) == tenth for value in first) for tenth in range(10)]
    assert all(abs(count - 400) < 100 for count in tenths)  # the standard deviation is 19
