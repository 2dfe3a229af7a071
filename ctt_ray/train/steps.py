"""A run's batches, and between two of them what somebody wants of it: asked while a batch is waited for, too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

from ctt_ray.train.asks import Ask
from ctt_ray.train.feed import Feed
from ctt_ray.train.session import WAIT, Metrics, Session

if TYPE_CHECKING:
    from ctt_ray.batch import Batch

LOOK_EVERY_S = 0.5
Agree = Callable[..., tuple[int, ...]]
Item = TypeVar("Item", covariant=True)


class Images(Protocol[Item]):
    """Something that knows how many it has."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Item]: ...


Heard = Callable[[Images[Item]], Iterable[Item]]


class Steps:
    """agree: the highest of each number that the workers give, the same on all (engine.agreement)."""

    def __init__(self, stream: Iterable[Batch], session: Session, agree: Agree) -> None:
        self._feed = Feed(stream)
        self._session = session
        self._agree = agree
        self.cut = Ask.NOTHING  # what the last `images` ended early for
        self._waited_us, self._taken = 0, 0  # since the last `waited`

    def next(self) -> tuple[Batch | None, Ask]:
        """The next batch and what is wanted before it is trained on, the same on every worker; no batch where any worker
        still waits for its own, so that a worker without data holds nobody up who has to save."""
        begun = time.monotonic()
        self._feed.ready(
            LOOK_EVERY_S
        )  # data or not, every worker comes to the agreement: only the first hears files and clock
        mine_us = round(1e6 * (time.monotonic() - begun))
        ask, missing, longest_us = self._agree(self._session.asked(), not self._feed.ready(0), mine_us)
        self._waited_us += longest_us
        if missing:
            return None, Ask(ask)
        self._taken += 1
        return self._feed.take(), Ask(ask)

    def waited(self) -> Metrics:
        """Seconds that a step waited for its batch, mean since the last call; of several workers the one that waited longest
        counts, for it held the others up. Nothing without a step."""
        taken, total_us, self._taken, self._waited_us = self._taken, self._waited_us, 0, 0
        return {WAIT: round(total_us / taken / 1e6, 6)} if taken else {}

    def images(self, images: Images[Item]) -> Iterator[Item]:
        """This worker's images for an evaluation, until somebody wants the run to leave: `cut`. It is asked after each image,
        as often by a worker with one image less, so all end alike."""
        self.cut = Ask.NOTHING
        rest = iter(images)
        for _ in range(self._agree(len(images))[0]):
            ask = Ask(self._agree(self._session.asked())[0])
            if ask.leaves:
                self.cut = ask
                return
            yield from islice(rest, 1)

    def close(self) -> None:
        self._feed.close()
