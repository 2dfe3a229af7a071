"""Segmentation networks: `build` makes one, `SegNet` is what it returns, `NetOut` what that returns."""

from ctt_ray.nets.factory import ARCHS, BACKBONES, OUTPUT_STRIDES, build
from ctt_ray.nets.segnet import CLASSIFIER, NetOut, SegNet
from ctt_ray.nets.weights import WeightsError

__all__ = ["ARCHS", "BACKBONES", "CLASSIFIER", "OUTPUT_STRIDES", "NetOut", "SegNet", "WeightsError", "build"]
