"""How many workers a run may have: one number, or from so many to so many."""

from __future__ import annotations

from typing import NamedTuple

from ctt_ray.config import ConfigError, RunConfig


class Workers(NamedTuple):
    """An elastic run has between `least` and `most`, as the cluster has room; 0 is this process, without Ray."""

    least: int
    most: int

    @property
    def elastic(self) -> bool:
        return self.least < self.most

    def __str__(self) -> str:
        return f"{self.least}:{self.most}" if self.elastic else str(self.most)


def parse(text: str) -> Workers:
    """'4' or '1:4'. Raises ConfigError for anything else."""
    least, colon, most = text.strip().partition(":")
    if not (least.isdecimal() and (most.isdecimal() if colon else True)):
        raise ConfigError(f"--workers {text}: needed is a number, as 4, or a range, as 1:4")
    found = Workers(int(least), int(most if colon else least))
    if colon and not 1 <= found.least <= found.most:
        raise ConfigError(
            f"--workers {text}: a range goes from 1 or more up; 0, this process without Ray, is no part of one"
        )
    return found


def useful(workers: Workers, config: RunConfig) -> Workers:
    """A range up to what a step has samples for. Raises ConfigError where even the least are too many."""
    batch = config.stream.batch_labelled
    if config.stream.batch_unlabelled:
        batch = min(batch, config.stream.batch_unlabelled)
    if workers.least > batch:
        raise ConfigError(
            f"--workers {workers}: every worker needs a sample of each kind in a step, and a step has {batch}; larger batches "
            "(--batch-labelled, --batch-unlabelled are those of all workers together) or fewer workers"
        )
    return Workers(workers.least, min(workers.most, batch)) if workers.elastic else workers
