"""The five methods with heads or decoders, on the engine: what they train beside the student moves and is saved."""

from pathlib import Path

import pytest
import torch
from tiny_runs import make_batch, make_engine

from ctt_ray.engine import Engine

METHODS = ("c3_semiseg", "cct", "pc2seg", "pseudoseg", "semiseg_contrastive")
every = pytest.mark.parametrize("method", METHODS)


def engine_of(method: str) -> Engine:
    return make_engine(method, **({"aux_threshold": 0.0} if method == "semiseg_contrastive" else {}))


def beside(engine: Engine) -> dict[str, torch.Tensor]:
    nets = engine.beside.nets
    return {f"{name}.{key}": value.clone() for name, net in nets.items() for key, value in net.state_dict().items()}


@every
def test_everything_beside_the_student_moves(method: str) -> None:
    engine = engine_of(method)
    before = beside(engine)
    for t in range(2):
        engine.step(make_batch(t))
    after = beside(engine)
    still = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert before and not still


@every
def test_what_is_beside_the_student_continues_bit_for_bit(method: str, tmp_path: Path) -> None:
    engine, again = engine_of(method), engine_of(method)
    for t in range(2):
        engine.step(make_batch(t))
    engine.save(tmp_path / "a", {})
    again.load(tmp_path / "a")
    for each in (engine, again):
        each.step(make_batch(2))
    one, other = beside(engine), beside(again)
    assert all(torch.equal(one[name], other[name]) for name in one)
