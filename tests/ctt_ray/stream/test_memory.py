"""Memory is lent again when nobody has it any more, and never before."""

from __future__ import annotations

import numpy as np
import torch

from ctt_ray.stream.memory import Memory


def test_what_is_gone_is_lent_again() -> None:
    memory = Memory()
    places = set()
    for _ in range(5):
        lent = memory.take((2, 3))
        assert lent.shape == (2, 3) and lent.dtype == np.uint8
        places.add(lent.ctypes.data)
        del lent
    assert len(places) == 1


def test_nothing_is_lent_twice_at_a_time_and_shapes_do_not_mix() -> None:
    memory = Memory()
    held = [memory.take(shape) for shape in ((4, 4), (4, 4), (16,), (4, 4))]
    assert len({lent.ctypes.data for lent in held}) == 4
    gone = held.pop(0).ctypes.data
    assert memory.take((16,)).ctypes.data != gone


def test_any_view_of_a_tensor_keeps_its_memory() -> None:
    memory = Memory()
    tensor = torch.from_numpy(memory.take((2, 4, 3))).permute(0, 2, 1)
    view = tensor[1, :2]
    tensor[:] = 7
    del tensor
    memory.take((2, 4, 3))[:] = 9
    assert (view == 7).all()
    as_array = view.numpy()
    del view
    memory.take((2, 4, 3))[:] = 9
    assert (as_array == 7).all()
