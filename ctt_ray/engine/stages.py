"""Where a run is in its stages: a function of the iteration, so a resume finds itself."""

from __future__ import annotations

from itertools import accumulate

from ctt_ray.plan import Plan, Stage


class Timeline:
    """A plan's stages over `iterations` steps."""

    def __init__(self, plan: Plan, iterations: int) -> None:
        self.stages, self.iterations = plan.stages, iterations
        self.starts = [0]
        for number, share in enumerate(accumulate(stage.share for stage in plan.stages[:-1]), start=1):
            # each stage has a step at least, or it would never be entered
            latest = iterations - (len(plan.stages) - number)
            self.starts.append(max(self.starts[-1] + 1, min(round(share * iterations), latest)))

    def number(self, iteration: int) -> int:
        """Of the stage that this iteration belongs to, from 0."""
        return max(number for number, start in enumerate(self.starts) if start <= iteration)

    def at(self, iteration: int) -> Stage:
        return self.stages[self.number(iteration)]

    def begins(self, iteration: int) -> bool:
        """Whether this iteration is the first of a stage other than the run's first."""
        return iteration > 0 and iteration in self.starts

    def schedule(self, iteration: int) -> tuple[int, int]:
        """Step and length of the learning-rate schedule: from the last restart to the next, or to the run's ends."""
        fresh = [start for start, stage in zip(self.starts, self.stages, strict=True) if stage.restart and start > 0]
        first = max([0, *(start for start in fresh if start <= iteration)])
        end = min([self.iterations, *(start for start in fresh if start > iteration)])
        return iteration - first, end - first
