"""Paints one scene of the built-in procedural set: deterministic from a numpy Generator.

Each object class has a mean hue of its own, and the hue tells it almost always; texture and size say nothing, clutter looks
like small objects but belongs to the background, and objects hide each other. Every scene has a light, a fog and a fading of
its own, which change a colour but not its hue. A handful of labelled scenes shows few of them, so a model of these alone
stays clearly below one that has seen them all, and a view that changes brightness, contrast and saturation shows on unlabelled
scenes what the labels do not (measured: docs/data.md).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.schema import VOID

CLASSES = ("ground", "sky", "disc", "ring", "triangle", "box", "crate", "cross", "tree", "star")
PALETTE = (
    (122, 98, 72), (120, 180, 235), (230, 60, 60), (240, 150, 30), (245, 225, 60),
    (60, 110, 220), (130, 70, 190), (230, 110, 190), (50, 150, 70), (255, 255, 255),
)  # fmt: skip
GROUND, SKY = 0, 1
STAR = CLASSES.index("star")
TREE = CLASSES.index("tree")
CRATE = CLASSES.index("crate")
COMMON = tuple(range(2, STAR))  # the object classes that are drawn at random

# Knobs. Harder for all: more HUE_JITTER, TINT, CLUTTER and NOISE, smaller RADIUS; for few labels: wider LIGHT, FOG and FADE.
HUE_JITTER = 0.015  # standard deviation on the colour circle, around the class's hue; neighbours are 1/8 apart
SATURATION = (0.7, 1.0)  # of objects
VALUE = (0.6, 1.0)  # of objects
RELIEF = (0.1, 0.3)  # strength of a texture, relative brightness
PALE = (0.0, 0.3)  # saturation of grounds and skies
OBJECTS = (3, 6)  # objects an image, upper end excluded
RADIUS = (0.12, 0.26)  # of the image side; drawn log-uniformly
HORIZON = (0.0, 0.55)  # of the height
SKYLESS = 0.08  # a horizon above this share of the height shows no sky
LIGHT = (0.4, 1.4)  # overall brightness, one a scene
FOG = (0.4, 1.0)  # contrast that is left
FADE = (0.35, 1.0)  # saturation that is left
TINT = 0.02  # per colour channel
SLOPE = 0.2  # brightness change across the image, one direction
NOISE = (1.0, 4.0)  # standard deviation in grey levels
BLUR = 0.6  # largest standard deviation in pixels
CLUTTER = (1, 6)  # small things of the background, upper end excluded
MIN_VISIBLE = 12  # a class with fewer visible pixels in an image becomes void there: nobody could label it

Image = npt.NDArray[np.float32]
Label = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]
Size = tuple[int, ...]

TEXTURES = ("plain", "stripes", "speckle", "checker", "gradient", "blotch")


def paint(rng: np.random.Generator, size: int, *, star: bool) -> tuple[Label, Label]:
    """One scene: image (size, size, 3) uint8 RGB and its mask (size, size) uint8 of train ids and 255.

    star: whether it holds the rare class; the caller decides, so that its share is exact."""
    image, label, ground = _background(rng, size)
    _clutter(rng, image, ground)
    kinds = [*rng.choice(COMMON, int(rng.integers(*OBJECTS))).tolist(), *([STAR] if star else [])]
    for kind in kinds[:-1] if star else kinds:
        _object(rng, image, label, int(kind))
    if star:  # last, so that nothing hides the few there are
        _object(rng, image, label, STAR)
    for kind in set(kinds):
        if np.count_nonzero(label == kind) < MIN_VISIBLE:
            label[label == kind] = VOID
    return _light(rng, image), label


def _background(rng: np.random.Generator, size: int) -> tuple[Image, Label, Image]:
    """Ground with one of four textures, sky above a wavy horizon with one of three tones; and the ground's colour."""
    hue = float(rng.choice((0.07, 0.11, 0.28, 0.6))) + rng.normal(0, 0.03)
    ground = _colour(hue, rng.uniform(*PALE), rng.uniform(0.3, 0.8))
    grain = _value_noise(rng, (size, size), int(rng.choice((6, 12, 24, 48)))) * np.float32(rng.uniform(30, 80))
    image: Image = ground + grain[..., None]
    label = np.full((size, size), GROUND, np.uint8)
    horizon = rng.uniform(*HORIZON)
    if horizon > SKYLESS:
        sky = _above_horizon(rng, size, horizon)
        hue = float(rng.choice((0.58, 0.06, 0.75))) + rng.normal(0, 0.03)
        tone = _colour(hue, rng.uniform(*PALE), rng.uniform(0.5, 1.0))
        fade = np.linspace(-25, 25, size, dtype=np.float32)[:, None, None]
        clouds = np.clip(_value_noise(rng, (size, size), 5) * np.float32(rng.uniform(0, 120)), 0, None)[..., None]
        image[sky] = (tone + fade + clouds)[sky]
        label[sky] = SKY
    return image, label, ground


def _above_horizon(rng: np.random.Generator, size: int, horizon: float) -> Mask:
    x = np.linspace(0, 2 * math.pi, size)
    hills = 0.04 * np.sin(x * rng.uniform(0.5, 2) + rng.uniform(0, 6)) + 0.02 * np.sin(x * 5 + rng.uniform(0, 6))
    above: Mask = np.arange(size)[:, None] < ((horizon + hills) * size)[None, :]
    return above


def _clutter(rng: np.random.Generator, image: Image, ground: Image) -> None:
    """Pebbles, leaves and twigs: coloured like anything, labelled like what they lie on (the label does not change)."""
    size = image.shape[0]
    for _ in range(int(rng.integers(*CLUTTER))):
        centre = rng.uniform(0, size, 2)
        colour = _colour(rng.uniform(), rng.uniform(0, 0.9), rng.uniform(0.15, 1))
        if rng.uniform() < 0.3:
            end = centre + rng.normal(0, 0.08 * size, 2)
            corners = np.stack([centre, end, end + 1.2, centre + 1.2])
        else:
            angles = np.sort(rng.uniform(0, 2 * math.pi, 6))
            radii = rng.uniform(0.008, 0.035) * size * rng.uniform(0.5, 1, 6)
            corners = centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        tone = colour if rng.uniform() < 0.7 else 0.7 * ground
        cv2.fillPoly(image, [np.round(corners * 16).astype(np.int32)], tone.tolist(), shift=4)


def _object(rng: np.random.Generator, image: Image, label: Label, kind: int) -> None:
    """Shadow, then the object over everything that is there. Works in the window that holds both."""
    size = image.shape[0]
    radius = size * math.exp(rng.uniform(math.log(RADIUS[0]), math.log(RADIUS[1])))
    centre = rng.uniform(0.08, 0.92, 2) * size
    angle = rng.uniform(-0.15, 0.15) if kind == TREE else rng.uniform(-math.pi, math.pi)
    low = np.clip(np.floor(centre - 1.6 * radius), 0, size - 1).astype(int)
    high = np.clip(np.ceil(centre + 1.9 * radius), low + 1, size).astype(int)
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    image, label = image[window], label[window]  # views: painting them paints the scene
    local = centre - low
    outline = [_placed(part, local, radius, angle) for part in _outline(rng, kind)]
    canvas = label.shape
    shape = np.any([_polygon(canvas, [p]) for p in outline], 0) if kind == TREE else _polygon(canvas, outline)
    shadow = _polygon(canvas, [part + radius * np.array([0.25, 0.3]) for part in outline[:1]])
    image[shadow] *= rng.uniform(0.5, 0.85)
    image[shape] = _skin(rng, canvas, kind, local, radius, angle)[shape]
    label[shape] = kind


def _outline(rng: np.random.Generator, kind: int) -> list[Points]:
    """The shape in its own coordinates (radius 1): polygons that cut holes in one another (a tree's are joined)."""
    name = CLASSES[kind]
    if name == "disc":
        return [_regular(28) * [1, rng.uniform(0.8, 1)]]
    if name == "ring":
        return [_regular(28), _regular(28) * rng.uniform(0.42, 0.62)]
    if name == "triangle":
        return [_regular(3) * 1.15 + rng.normal(0, 0.08, (3, 2))]
    if name in ("box", "crate"):
        return [np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [0.95, rng.uniform(0.6, 0.95)]]
    if name == "cross":
        a = rng.uniform(0.26, 0.38)
        arm = np.array([[-a, -a], [-a, -1], [a, -1]])  # one arm's corners; three quarter turns give the others
        return [np.concatenate([_placed(arm, np.zeros(2), 1, turn * math.pi / 2) for turn in range(4)])]
    if name == "star":
        return [_regular(10) * np.where(np.arange(10) % 2, rng.uniform(0.4, 0.5), 1.15)[:, None]]
    crown = [_regular(14) * rng.uniform(0.4, 0.6) + [rng.uniform(-0.4, 0.4), rng.uniform(-0.8, -0.1)] for _ in range(4)]
    return [np.array([[-0.14, -0.2], [0.14, -0.2], [0.18, 1.1], [-0.18, 1.1]]), *crown]


def _skin(rng: np.random.Generator, canvas: Size, kind: int, centre: Points, radius: float, angle: float) -> Image:
    """The object's surface on the whole canvas, (*canvas, 3): its class's hue in any texture, shaded from one side."""
    texture = TEXTURES[int(rng.integers(len(TEXTURES)))]
    colour = _colour(hue_of(kind) + rng.normal(0, HUE_JITTER), rng.uniform(*SATURATION), rng.uniform(*VALUE))
    dx = ((np.arange(canvas[1]) - centre[0]) / radius).astype(np.float32)[None, :]
    dy = ((np.arange(canvas[0]) - centre[1]) / radius).astype(np.float32)[:, None]
    u = dx * np.float32(math.cos(angle)) + dy * np.float32(math.sin(angle))
    v = dy * np.float32(math.cos(angle)) - dx * np.float32(math.sin(angle))
    strength = np.float32(rng.uniform(*RELIEF))
    pattern = _pattern(rng, "crate" if kind == CRATE else texture, u, v) * strength
    side = rng.uniform(0, 2 * math.pi)
    shade = 1 + np.float32(0.25) * (dx * np.float32(math.cos(side)) + dy * np.float32(math.sin(side)))
    surface: Image = colour * ((1 + pattern) * shade)[..., None]
    return surface


def _pattern(rng: np.random.Generator, texture: str, u: Image, v: Image) -> Image:
    """A relative brightness pattern in about [-1, 1] in the object's own coordinates."""
    waves = np.float32(rng.uniform(5, 9))
    if texture == "crate":  # a frame and both diagonals: what tells a crate from a box
        frame = np.maximum(np.abs(u), np.abs(v)) > 0.72
        return np.where(frame | (np.abs(np.abs(u) - np.abs(v)) < 0.16), np.float32(1), np.float32(-0.7))
    if texture == "gradient":
        return np.clip(u, -1, 1)
    if texture == "speckle":
        return rng.standard_normal(u.shape, np.float32) * np.float32(0.6)
    if texture == "stripes":
        return np.sign(np.sin(u * waves))
    if texture == "checker":
        return np.sign(np.sin(u * waves) * np.sin(v * waves))
    if texture == "blotch":
        return _value_noise(rng, u.shape, 5) * np.float32(2)
    return np.zeros_like(u)


def hue_of(kind: int) -> float:
    """Mean hue of an object class, in [0, 1): evenly spaced over the colour circle."""
    return (kind - COMMON[0]) / (len(COMMON) + 1)


def _light(rng: np.random.Generator, image: Image) -> Label:
    """Weather, tint, brightness, a slope of light, blur and sensor noise; then to uint8."""
    size = image.shape[0]
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    side = rng.uniform(0, 2 * math.pi)
    across = axis[None, :] * np.float32(math.cos(side)) + axis[:, None] * np.float32(math.sin(side))
    slope = 1 + np.float32(rng.uniform(0, SLOPE)) * across
    gain = (rng.uniform(*LIGHT) * rng.uniform(1 - TINT, 1 + TINT, 3)).astype(np.float32)
    lit = _weather(rng, np.clip(image, 0, 255)) * slope[..., None] * gain
    blur = rng.uniform(0, BLUR)
    if blur > 0.2:
        lit = cv2.GaussianBlur(lit, (5, 5), blur)
    lit += rng.standard_normal(lit.shape, np.float32) * np.float32(rng.uniform(*NOISE))
    return np.clip(lit, 0, 255).astype(np.uint8)


def _weather(rng: np.random.Generator, image: Image) -> Image:
    """Less saturation and less contrast for the whole scene; the hue stays."""
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    grey = (np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue)[..., None]
    mean = np.float32(grey.mean(dtype=np.float64))
    faded = grey + np.float32(rng.uniform(*FADE)) * (image - grey)
    foggy: Image = mean + np.float32(rng.uniform(*FOG)) * (faded - mean)
    return foggy


def _value_noise(rng: np.random.Generator, canvas: Size, cells: int) -> Image:
    """Smooth noise in about [-0.5, 0.5], canvas float32, with `cells` bumps a side."""
    grid = rng.uniform(-0.5, 0.5, (cells, cells)).astype(np.float32)
    smooth: Image = cv2.resize(grid, (canvas[1], canvas[0]), interpolation=cv2.INTER_CUBIC)
    return smooth


def _colour(hue: float, saturation: float, value: float) -> Image:
    """HSV in [0, 1] (hue wraps, the others are clipped) → RGB in [0, 255], (3,) float32."""
    sector = (np.array([5, 3, 1]) + (hue % 1) * 6) % 6
    saturation, value = min(max(saturation, 0), 1), min(max(value, 0), 1)
    return (255 * value * (1 - saturation * np.clip(np.minimum(sector, 4 - sector), 0, 1))).astype(np.float32)


def _regular(corners: int) -> Points:
    """A regular polygon on the unit circle, first corner up, (corners, 2)."""
    angles = np.arange(corners) * (2 * math.pi / corners) - math.pi / 2
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def _placed(points: Points, centre: Points, radius: float, angle: float) -> Points:
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return points @ turn.T * radius + centre


def _polygon(canvas: Size, parts: list[Points]) -> Mask:
    """Pixels inside an odd number of the parts, canvas bool; corners at 1/16 pixel."""
    inside = np.zeros(canvas, np.uint8)
    cv2.fillPoly(inside, [np.round(part * 16).astype(np.int32) for part in parts], 1, shift=4)
    return inside.astype(bool)
