"""Image and mask go the same way, labels stay what they are, padding carries its code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctt_ray.stream.views import MEAN_COLOUR, Draw, ViewSpec, draw, source_of_target, weak_view
from data_prep.schema import PADDING, VOID

COLOURS = np.array([(250, 10, 30), (20, 200, 60), (90, 40, 240), (5, 130, 140)], np.uint8)
VALUES = np.array([0, 1, 2, VOID], np.uint8)  # what the mask holds where the image has COLOURS

specs = st.builds(
    lambda crop, low, ratio, rotation: ViewSpec(crop, (low, low * ratio), 0.5, rotation),
    st.tuples(st.integers(8, 60), st.integers(8, 60)),
    st.floats(0.4, 1.5),
    st.floats(1.0, 2.0),
    st.sampled_from([0.0, 25.0, 180.0]),
)
seeds = st.integers(0, 2**63 - 1)


def painted(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Flat blocks of 16 pixels: image and mask of one drawing."""
    rng = np.random.default_rng(seed)
    blocks = np.kron(rng.integers(0, 4, (rng.integers(1, 5), rng.integers(1, 5))), np.ones((16, 16), int))
    blocks = blocks[: len(blocks) - rng.integers(0, 5)]
    return COLOURS[blocks], VALUES[blocks]


def flat(label: np.ndarray) -> np.ndarray:
    """Pixels whose 5x5 neighbourhood holds one label: no edge of the drawing is near."""
    inner = np.zeros(label.shape, bool)
    windows = np.lib.stride_tricks.sliding_window_view(label, (5, 5))
    inner[2:-2, 2:-2] = windows.min((2, 3)) == windows.max((2, 3))
    return inner


@given(specs, seeds, st.sampled_from([PADDING, VOID]))
def test_image_and_mask_stay_aligned(spec: ViewSpec, seed: int, fill: int) -> None:
    image, mask = painted(seed)
    mask = np.minimum(mask, 3)  # one value a colour, so that neither fill occurs in the drawing
    view, label = weak_view(image, mask, spec, np.random.default_rng(seed), fill_label=fill)
    assert (view.shape, label.shape) == ((*spec.crop, 3), spec.crop)
    assert view.dtype == label.dtype == np.uint8
    colour_of = np.zeros((256, 3), np.uint8)
    colour_of[:4], colour_of[fill] = COLOURS, MEAN_COLOUR
    away = flat(label)
    np.testing.assert_array_equal(view[away], colour_of[label[away]])
    assert set(np.unique(label)) <= {*np.unique(mask).tolist(), fill}


@given(specs, seeds)
def test_an_unknown_mask_is_void_inside_and_padding_outside(spec: ViewSpec, seed: int) -> None:
    image, mask = painted(seed)
    _, known = weak_view(image, np.zeros_like(mask), spec, np.random.default_rng(seed), fill_label=PADDING)
    _, unknown = weak_view(image, None, spec, np.random.default_rng(seed), fill_label=PADDING)
    assert np.array_equal(known == PADDING, unknown == PADDING)
    assert set(np.unique(unknown)) <= {VOID, PADDING}


def test_without_change_the_view_is_the_image() -> None:
    image, mask = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8), np.arange(600).reshape(20, 30) % 3
    mask = mask.astype(np.uint8)
    view, label = weak_view(image, mask, ViewSpec((20, 30), flip=0.0), np.random.default_rng(0), fill_label=VOID)
    assert np.array_equal(view, image)
    assert np.array_equal(label, mask)
    view, label = weak_view(image, mask, ViewSpec((20, 30), flip=1.0), np.random.default_rng(0), fill_label=VOID)
    assert np.array_equal(view, image[:, ::-1])
    assert np.array_equal(label, mask[:, ::-1])


def test_a_crop_is_a_piece_of_the_image_at_every_place() -> None:
    """Scale 1: the view is a plain slice, and all places occur."""
    image = np.arange(7 * 9, dtype=np.uint8).reshape(7, 9, 1).repeat(3, 2)
    corners = set()
    for seed in range(200):
        view, _ = weak_view(image, None, ViewSpec((5, 6), flip=0.0), np.random.default_rng(seed), fill_label=PADDING)
        top, left = divmod(int(view[0, 0, 0]), 9)
        assert np.array_equal(view, image[top : top + 5, left : left + 6])
        corners.add((top, left))
    assert corners == {(top, left) for top in range(3) for left in range(4)}


def test_a_small_image_lies_whole_inside_the_crop() -> None:
    image, mask = np.full((4, 6, 3), 200, np.uint8), np.zeros((4, 6), np.uint8)
    places = set()
    for seed in range(100):
        view, label = weak_view(image, mask, ViewSpec((6, 8)), np.random.default_rng(seed), fill_label=VOID)
        inside = label == 0
        assert inside.sum() == 24
        assert (view[inside] == 200).all()
        assert (view[~inside] == MEAN_COLOUR).all()
        assert (label[~inside] == VOID).all()
        places.add(tuple(int(index[0]) for index in np.nonzero(inside)))
    assert places == {(top, left) for top in range(3) for left in range(3)}


@pytest.mark.parametrize(("scale", "window"), [(0.5, 40), (1.0, 20), (2.0, 10)])
def test_scale_is_the_factor_on_the_images_size(scale: float, window: int) -> None:
    view = draw((100, 100), ViewSpec((20, 20), (scale, scale)), np.random.default_rng(1))
    assert (view.height, view.width) == (window, window)


def test_scale_flip_and_angle_fill_their_ranges() -> None:
    spec = ViewSpec((32, 32), (0.5, 2.0), flip=0.3, rotation=10.0)
    views = [draw((90, 90), spec, np.random.default_rng(seed)) for seed in range(3000)]
    scales = np.array([32 / view.height for view in views])
    assert scales.min() < 0.52
    assert scales.max() > 1.9
    assert scales.mean() == pytest.approx(1.25, abs=0.03)
    assert np.mean([view.flip for view in views]) == pytest.approx(0.3, abs=0.03)
    angles = np.array([view.angle for view in views])
    assert -10 <= angles.min() < -9.5
    assert 9.5 < angles.max() <= 10


def test_rotation_turns_about_the_centre() -> None:
    """A quarter turn of a square image is np.rot90, exactly; with a flip it is that of the mirrored image."""
    spec = ViewSpec((5, 5))
    matrix = source_of_target(Draw(0, 0, 5, 5, False, 90.0), spec)
    np.testing.assert_allclose(matrix @ [2, 2, 1], [2, 2])
    np.testing.assert_allclose(matrix @ [0, 0, 1], [4, 0], atol=1e-12)
    flipped = source_of_target(Draw(0, 0, 5, 5, True, 90.0), spec)
    np.testing.assert_allclose(flipped @ [0, 0, 1], matrix @ [4, 0, 1], atol=1e-12)


@pytest.mark.parametrize("rotation", [0.0, 30.0])
def test_every_pixel_comes_from_where_the_geometry_says(rotation: float) -> None:
    """Over a ramp, linear interpolation is the source coordinate and nearest neighbour that coordinate rounded."""
    y, x = np.mgrid[0:110, 0:120]
    image, mask = np.stack([2 * x, 2 * y, 0 * x], 2).astype(np.uint8), x.astype(np.uint8)
    spec = ViewSpec((24, 20), (0.25, 3.0), rotation=rotation)
    checked = 0
    for seed in range(60):
        view = draw(mask.shape, spec, np.random.default_rng(seed))
        pixels, label = weak_view(image, mask, spec, np.random.default_rng(seed), fill_label=PADDING)
        v, u = np.mgrid[0:24, 0:20]
        at_x, at_y = np.einsum("ij,jvu->ivu", source_of_target(view, spec), np.stack([u, v, np.ones_like(u)]))
        inside = (at_x >= 0) & (at_x <= 119) & (at_y >= 0) & (at_y <= 109)
        inside[[0, 1, -2, -1]] = inside[:, [0, 1, -2, -1]] = False  # a cut piece knows no neighbours beyond its edge
        checked += int(inside.sum())
        assert np.abs(pixels[inside, 0] - 2 * at_x[inside]).max() <= 0.8  # half a grey level and OpenCV's fixed point
        assert np.abs(pixels[inside, 1] - 2 * at_y[inside]).max() <= 0.8
        assert np.abs(label[inside] - at_x[inside]).max() <= 0.55
    assert checked > 60 * 150


@pytest.mark.parametrize(
    "setting", [{"crop": (0, 4)}, {"scale": (0.0, 1.0)}, {"scale": (2.0, 1.0)}, {"flip": 1.5}, {"rotation": -1.0}]
)
def test_impossible_settings_are_refused(setting: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="0 < scale"):
        ViewSpec(**{"crop": (4, 4), **setting})  # type: ignore[arg-type]
