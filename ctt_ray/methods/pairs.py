"""Student-teacher pairs, for methods that have several."""

from ctt_ray.plan import Buffers, Follow

Pair = tuple[str, str]


def named(pairs: int) -> list[Pair]:
    """(s0, t0), (s1, t1), …"""
    return [(f"s{i}", f"t{i}") for i in range(pairs)]


def moving(names: list[Pair], decay: float, buffers: Buffers) -> tuple[Follow, ...]:
    """Each teacher follows its own student, step by step."""
    return tuple(Follow(follower=teacher, leader=student, decay=decay, buffers=buffers) for student, teacher in names)
