"""Shards to batches: `SegStream` for training, `EvalSet` for scoring."""

from ctt_ray.stream.evalset import EvalSet
from ctt_ray.stream.segstream import SegStream

__all__ = ["EvalSet", "SegStream"]
