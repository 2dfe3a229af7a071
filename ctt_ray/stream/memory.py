"""Memory of batches that are gone, for the next ones."""

from __future__ import annotations

import weakref
from collections import defaultdict

import numpy as np

from ctt_ray.stream.decode import Pixels


class Memory:
    """Fresh memory costs a page fault every 4 KB, with some hundred for a batch more than cropping its images does; so an
    array that nobody has any more is lent again. Holds as many as were in use at once, of each shape."""

    def __init__(self) -> None:
        self._free: dict[tuple[int, ...], list[Pixels]] = defaultdict(list)

    def take(self, shape: tuple[int, ...]) -> Pixels:
        """A uint8 array of any content. It may be handed on to torch.from_numpy: a tensor's storage keeps it in use, through
        all views of it, until the last one is gone."""
        free = self._free[shape]
        whole = free.pop() if free else np.empty(shape, np.uint8)
        lent = whole[:]
        weakref.finalize(lent, free.append, whole).atexit = False
        return lent
