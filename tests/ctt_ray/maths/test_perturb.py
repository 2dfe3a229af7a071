"""Feature perturbations against loops over their entries and closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ctt_ray.maths import perturb


def draws(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def features() -> Tensor:
    return torch.rand(3, 6, 5, 7) + 0.1


def test_noise_multiplies_all_images_by_the_same_factors_within_the_limit() -> None:
    feat = features()
    factor = perturb.noise(feat, limit=0.3, generator=draws()) / feat
    torch.testing.assert_close(factor[0], factor[1])
    assert 0.7 <= factor.min() < 0.75 and 1.25 < factor.max() <= 1.3
    assert torch.equal(perturb.noise(feat, limit=0.0, generator=draws()), feat)


def test_whole_channels_are_dropped_and_the_expectation_stays() -> None:
    feat = torch.ones(64, 64, 2, 2)
    out = perturb.drop_channels(feat, share=0.25, generator=draws())
    assert out.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(out[..., 0, 0], out[..., 1, 1])
    assert out.mean().item() == pytest.approx(1, abs=0.03)


def test_the_most_active_places_are_dropped() -> None:
    feat = features()
    gamma = 0.6 + 0.3 * float(torch.rand((), generator=draws()))
    out = perturb.drop_active(feat, low=0.6, high=0.9, generator=draws())
    for b in range(3):
        activity = feat[b].mean(0)
        for y in range(5):
            for x in range(7):
                kept = activity[y, x] < gamma * activity.max()
                assert torch.equal(out[b, :, y, x], feat[b, :, y, x] if kept else torch.zeros(6))
    assert (out == 0).any() and (out != 0).any()


def test_cutout_takes_a_box_of_each_objects_bounding_box() -> None:
    label = torch.zeros(2, 20, 30, dtype=torch.uint8)
    label[0, 2:12, 5:25] = 1  # 10 x 20, so the box is 4 x 8
    label[0, 15:20, 0:5] = 3  # 5 x 5, so 2 x 2
    label[1] = 255
    for seed in range(5):
        keep = perturb.guided_cutout(label, classes=4, erase=0.4, generator=draws(seed))
        assert int((~keep[0]).sum()) == 4 * 8 + 2 * 2 and keep[1].all()
        for inside, size in (((slice(2, 12), slice(5, 25)), (4, 8)), ((slice(15, 20), slice(0, 5)), (2, 2))):
            rows, columns = (~keep[0][inside]).any(1), (~keep[0][inside]).any(0)
            assert (int(rows.sum()), int(columns.sum())) == size  # in one piece: the area above is their product
    places = {
        int((~perturb.guided_cutout(label, classes=4, erase=0.4, generator=draws(s)))[0].any(1).nonzero()[0])
        for s in range(40)
    }
    assert places == set(range(2, 9))  # each start that leaves the box inside


def test_equal_generators_give_equal_perturbations() -> None:
    feat = features()
    assert torch.equal(
        perturb.noise(feat, limit=0.3, generator=draws()), perturb.noise(feat, limit=0.3, generator=draws())
    )
    assert not torch.equal(
        perturb.noise(feat, limit=0.3, generator=draws(1)), perturb.noise(feat, limit=0.3, generator=draws(2))
    )
