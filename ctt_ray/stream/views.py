"""The weak view of training: scale, crop, flip, rotation; image and mask always by the same geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from ctt_ray.stream.decode import Pixels
from data_prep.schema import VOID

MEAN_COLOUR = (124, 116, 104)  # ImageNet's mean in RGB: about zero after normalisation


@dataclass(frozen=True)
class ViewSpec:
    """crop: (height, width) of the view. scale: range of the factor on the image's size, drawn uniformly.
    flip: probability of a left-right flip. rotation: the angle is drawn from ±rotation degrees; 0 = off."""

    crop: tuple[int, int]
    scale: tuple[float, float] = (1.0, 1.0)
    flip: float = 0.5
    rotation: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.scale
        if min(self.crop) < 1 or not 0 < low <= high or not 0 <= self.flip <= 1 or not 0 <= self.rotation <= 180:
            raise ValueError(
                f"{self}: needed are a crop of at least 1x1, 0 < scale[0] <= scale[1], flip in [0, 1], "
                "rotation in [0, 180] degrees."
            )


class Draw(NamedTuple):
    """One view's geometry: the window of the image, in its own pixels and possibly beyond its border, that becomes
    the crop; whether it is flipped; its angle in degrees."""

    top: int
    left: int
    height: int
    width: int
    flip: bool
    angle: float


def draw(size: tuple[int, int], spec: ViewSpec, rng: np.random.Generator) -> Draw:
    """Draw a view of an image of `size` (height, width).

    The window of scale s has crop/s pixels. Inside a larger image its place is uniform; a smaller image lies at
    a uniform place inside the window."""
    scale = rng.uniform(*spec.scale)
    window = [max(1, round(side / scale)) for side in spec.crop]
    top, left = (
        int(rng.integers(min(0, extent - side), max(0, extent - side), endpoint=True))
        for extent, side in zip(size, window, strict=True)
    )
    flip, angle = rng.random() < spec.flip, rng.uniform(-spec.rotation, spec.rotation)
    return Draw(top, left, window[0], window[1], flip, angle)


def weak_view(
    image: Pixels, mask: Pixels | None, spec: ViewSpec, rng: np.random.Generator, *, fill_label: int
) -> tuple[Pixels, Pixels]:
    """image HW3 and mask HW (None: nothing is known, 255) to a view (h, w, 3) and its label (h, w), uint8.

    Where the crop leaves the image the view has the mean colour and the label `fill_label`: 255 for a labelled image,
    254 for an unlabelled one. Labels are sampled by nearest neighbour, so no value appears that was not there."""
    view = np.empty((*spec.crop, 3), np.uint8), np.empty(spec.crop, np.uint8)
    weak_view_into(view, image, mask, spec, rng, fill_label=fill_label)
    return view


def weak_view_into(
    target: Sequence[Pixels],
    image: Pixels,
    mask: Pixels | None,
    spec: ViewSpec,
    rng: np.random.Generator,
    *,
    fill_label: int,
) -> None:
    """`weak_view` into arrays that are there, (h, w, 3) and (h, w): a batch is made without a copy."""
    view = draw(image.shape[:2], spec, rng)
    label = np.full(image.shape[:2], VOID, np.uint8) if mask is None else mask
    if spec.rotation > 0:
        _warp(target[0], image, view, spec, MEAN_COLOUR, cv2.INTER_LINEAR)
        _warp(target[1], label, view, spec, fill_label, cv2.INTER_NEAREST)
        return
    # plain INTER_NEAREST of resize is off by up to half a pixel against INTER_LINEAR; the exact form has its centres
    _cut(target[0], image, view, MEAN_COLOUR, cv2.INTER_LINEAR)
    _cut(target[1], label, view, fill_label, cv2.INTER_NEAREST_EXACT)


def _cut(target: Pixels, pixels: Pixels, view: Draw, fill: int | tuple[int, ...], interpolation: int) -> None:
    """Crop the source, resize the piece, pad: far cheaper than resizing the whole image."""
    height, width = target.shape[:2]
    source_y, target_y = _overlap(view.top, view.height, pixels.shape[0], height)
    source_x, target_x = _overlap(view.left, view.width, pixels.shape[1], width)
    if view.flip:
        target_x = slice(width - target_x.stop, width - target_x.start)
    inside = target[target_y, target_x]
    if inside.shape != target.shape:
        target[:] = fill
    size = inside.shape[1::-1]
    if view.flip:
        cv2.flip(cv2.resize(pixels[source_y, source_x], size, interpolation=interpolation), 1, dst=inside)
    else:
        cv2.resize(pixels[source_y, source_x], size, dst=inside, interpolation=interpolation)


def _overlap(start: int, length: int, extent: int, crop: int) -> tuple[slice, slice]:
    """Of a window [start, start + length) over [0, extent): the part inside, and where it lies in `crop` pixels."""
    inside = slice(max(start, 0), min(start + length, extent))
    first = min(round((inside.start - start) * crop / length), crop - 1)
    last = max(round((inside.stop - start) * crop / length), first + 1)
    return inside, slice(first, last)


def _warp(
    target: Pixels, pixels: Pixels, view: Draw, spec: ViewSpec, fill: int | tuple[int, ...], interpolation: int
) -> None:
    """The same view turned about its centre by `view.angle`, in one interpolation."""
    cv2.warpAffine(
        pixels,
        source_of_target(view, spec),
        spec.crop[::-1],
        dst=target,
        flags=interpolation | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=fill,
    )


def source_of_target(view: Draw, spec: ViewSpec) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """The 2x3 matrix from a pixel (x, y) of the view to its place (x, y) in the image.

    Flip and rotation are about the view's centre, then the view is laid over the window. Pixel centres are integers."""
    (height, width), radians = spec.crop, np.deg2rad(view.angle)
    to_centre = np.array([[1, 0, -(width - 1) / 2], [0, 1, -(height - 1) / 2], [0, 0, 1]])
    mirror = np.diag([-1.0 if view.flip else 1.0, 1.0, 1.0])
    cos, sin = np.cos(radians), np.sin(radians)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    lay = np.array(
        [
            [view.width / width, 0, view.left + (view.width - 1) / 2],
            [0, view.height / height, view.top + (view.height - 1) / 2],
        ]
    )
    return np.asarray(lay @ turn @ mirror @ to_centre)
