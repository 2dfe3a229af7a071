"""The procedural set: a function of its arguments, with the classes it promises."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest

from data_prep import painter
from data_prep.errors import UsageError
from data_prep.pictures import read_image, read_labels
from data_prep.schema import VOID, DataError
from data_prep.sources.scenes import STAR_EVERY, Scenes, render

COUNT = 96


@pytest.fixture(scope="module")
def painted() -> list[tuple[np.ndarray, np.ndarray]]:
    return [painter.paint(np.random.default_rng(index), 64, star=index % STAR_EVERY == 0) for index in range(COUNT)]


def test_a_scene_depends_on_seed_split_and_index_alone() -> None:
    first = render(0, "train", 5, 48)
    render(0, "train", 6, 48)
    assert render(0, "train", 5, 48) == first
    others = [render(1, "train", 5, 48), render(0, "val", 5, 48), render(0, "train", 6, 48)]
    assert len({hashlib.sha256(image).hexdigest() for image, _ in [first, *others]}) == 4
    image, mask = read_image(first[0], ""), read_labels(first[1], "")
    assert image.shape == (48, 48, 3) and mask.shape == (48, 48)
    assert set(np.unique(mask)) <= {*range(len(painter.CLASSES)), VOID}


def test_every_class_occurs_and_the_rare_one_exactly_as_often_as_said(painted: list) -> None:
    present = [set(np.unique(mask)) for _, mask in painted]
    share = [sum(index in classes for classes in present) / COUNT for index in range(len(painter.CLASSES))]
    assert len(painter.CLASSES) == len(painter.PALETTE) == len(set(painter.PALETTE)) >= 8
    assert all(value > 0.25 for value in share[: painter.STAR])
    asked = len(range(0, COUNT, STAR_EVERY)) / COUNT
    assert 0.75 * asked < share[painter.STAR] <= asked  # a star may become void, none comes unasked


def test_the_hue_of_an_object_pixel_tells_its_class_almost_always(painted: list) -> None:
    """The nearest class hue, given that the pixel is an object's: the set is hard for another reason, the weather."""
    pixels = np.concatenate([image.reshape(-1, 3) for image, _ in painted]).astype(np.float32) / 255
    truth = np.concatenate([mask.ravel() for _, mask in painted])
    objects = (truth >= 2) & (truth != VOID)
    truth = truth[objects]
    hue = cv2.cvtColor(pixels[objects][None], cv2.COLOR_RGB2HSV)[0, :, 0] / 360
    means = np.array([painter.hue_of(kind) for kind in range(2, len(painter.CLASSES))])
    apart = np.abs(hue[:, None] - means[None])
    found = np.minimum(apart, 1 - apart).argmin(1) + 2
    recall = np.mean([(found[truth == index] == index).mean() for index in range(2, len(painter.CLASSES))])
    assert 0.95 < recall < 1  # chance is 1/8


def test_weather_takes_saturation_and_contrast_and_leaves_the_hue() -> None:
    scene = np.random.default_rng(0).uniform(0, 255, (8, 8, 3)).astype(np.float32)
    before = _hue(scene)
    for seed in range(20):
        after = painter._weather(np.random.default_rng(seed), scene.copy())
        draws = np.random.default_rng(seed)
        fade, fog = draws.uniform(*painter.FADE), draws.uniform(*painter.FOG)
        np.testing.assert_allclose(np.cos(np.deg2rad(_hue(after) - before)), 1, atol=1e-3)
        np.testing.assert_allclose(np.ptp(after, 2), np.ptp(scene, 2) * fade * fog, rtol=1e-3, atol=1e-2)
        np.testing.assert_allclose(_grey(after).std(), _grey(scene).std() * fog, rtol=1e-3)
        np.testing.assert_allclose(_grey(after).mean(), _grey(scene).mean(), rtol=1e-3)


def test_scenes_differ_in_brightness_and_colour_by_more_than_a_factor_of_two(painted: list) -> None:
    """The nuisance that few labelled scenes cover badly: a scene's own light, fog and fading."""
    scenes = [image.astype(np.float32) for image, _ in painted]
    light = np.array([_grey(scene).mean() for scene in scenes])
    objects = [
        np.ptp(scene, 2)[(mask >= 2) & (mask != VOID)].mean() for scene, (_, mask) in zip(scenes, painted, strict=True)
    ]
    for values in (light, np.array(objects)):
        low, high = np.quantile(values, (0.1, 0.9))
        assert high > 2 * low


def _hue(image: np.ndarray) -> np.ndarray:
    """In degrees, of every pixel."""
    return cv2.cvtColor(image / 255, cv2.COLOR_RGB2HSV)[..., 0]


def _grey(image: np.ndarray) -> np.ndarray:
    return image @ np.array([0.299, 0.587, 0.114], np.float32)


def test_nothing_nearly_invisible_is_labelled(painted: list) -> None:
    for _, mask in painted:
        for index in range(2, len(painter.CLASSES)):
            assert np.count_nonzero(mask == index) == 0 or np.count_nonzero(mask == index) >= painter.MIN_VISIBLE


def test_class_hues_are_evenly_spaced_and_wider_apart_than_their_jitter() -> None:
    hues = sorted(painter.hue_of(kind) for kind in range(2, len(painter.CLASSES)))
    gaps = np.diff([*hues, hues[0] + 1])
    np.testing.assert_allclose(gaps, 1 / 8)
    assert gaps[0] > 4 * painter.HUE_JITTER


@pytest.mark.parametrize(
    ("hsv", "rgb"),
    [
        ((0, 1, 1), (255, 0, 0)),
        ((1 / 3, 1, 1), (0, 255, 0)),
        ((2 / 3, 1, 0.5), (0, 0, 127.5)),
        ((0.9, 0, 0.2), (51, 51, 51)),
    ],
)
def test_colours(hsv: tuple[float, float, float], rgb: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(painter._colour(*hsv), rgb, atol=1e-3)


def test_senseless_options() -> None:
    with pytest.raises(UsageError, match="--size 8"):
        Scenes(size=8).open()
    with pytest.raises(UsageError, match="--seed -1"):
        Scenes(seed=-1).open()
    with pytest.raises(DataError, match="--val 0"):
        Scenes(val=0).open()
