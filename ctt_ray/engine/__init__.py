"""The engine: one step of any Plan, its state on disk, and the score of its networks."""

from ctt_ray.engine.step import Engine

__all__ = ["Engine"]
