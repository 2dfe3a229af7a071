"""Two workers of a data group as two threads: what both hand over is summed, and neither goes ahead of the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from torch import Tensor

from ctt_ray.engine.world import Group

Found = TypeVar("Found")
PATIENCE = 60  # seconds until a worker whose fellow has failed gives up


class Half(Group):
    """The group as one of the two sees it."""

    def __init__(self, index: int, meet: threading.Barrier, said: dict[int, Tensor]) -> None:
        super().__init__([0, 1], index)
        self._meet, self._said = meet, said

    def total(self, value: Tensor) -> Tensor:
        self._said[self.index] = value.detach().clone()
        self._meet.wait()
        found = self._said[0] + self._said[1]
        self._meet.wait()  # before either says the next thing
        return found


def both(work: Callable[[Half], Found]) -> list[Found]:
    """`work` as each of the two workers does it. It must not draw from torch's own generator, which threads share."""
    meet, said = threading.Barrier(2, timeout=PATIENCE), dict[int, Any]()
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(work, Half(index, meet, said)) for index in range(2)]
        return [future.result() for future in futures]
