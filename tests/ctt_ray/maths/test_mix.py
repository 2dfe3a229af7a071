"""One mask moves everything alike; boxes and classes come from the sample's key alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ctt_ray.maths import labels, mix

SIZE = (12, 16)


def keys(count: int, first: int = 0) -> Tensor:
    return torch.arange(first, first + count, dtype=torch.int64) * 7919 - 50


def test_mix_pastes_each_image_on_the_next_one() -> None:
    map_BHW = torch.tensor([[[1, 1]], [[2, 2]], [[3, 3]]])
    mask_BHW = torch.tensor([[[True, False]], [[False, False]], [[True, True]]])
    assert mix.mix(map_BHW, mask_BHW).tolist() == [[[1, 2]], [[3, 3]], [[3, 3]]]


def test_rule_09_and_24_image_label_confidence_and_valid_map_move_together() -> None:
    batch = 4
    content = torch.arange(batch * SIZE[0] * SIZE[1]).view(batch, *SIZE)  # every pixel knows where it came from
    mask = mix.cutmix_mask(keys(batch), SIZE)
    image = mix.mix(content[:, None].expand(-1, 3, -1, -1).double(), mask)
    moved = mix.mix(content, mask)
    assert torch.equal(image, moved[:, None].expand(-1, 3, -1, -1).double())
    assert torch.equal(mix.mix(content.float() / 7, mask), moved.float() / 7)
    assert torch.equal(mix.mix(content % 3 == 0, mask), moved % 3 == 0)
    assert torch.equal(mix.mix((content % 251).to(torch.uint8), mask), (moved % 251).to(torch.uint8))


def test_rule_09_unmixing_returns_the_originals() -> None:
    image = torch.rand(3, 3, *SIZE)
    mask = mix.cutmix_mask(keys(3), SIZE)
    mixed = mix.mix(image, mask)
    for b in range(3):
        # what b pasted lies in its own output; what it was pasted over lies in the output before it
        pasted, below = mask[b].expand(3, -1, -1), ~mask[b - 1].expand(3, -1, -1)
        assert torch.equal(mixed[b][pasted], image[b][pasted])
        assert torch.equal(mixed[b - 1][below], image[b][below])


def test_a_single_image_mixes_with_itself() -> None:
    image = torch.rand(1, 3, *SIZE)
    assert torch.equal(mix.mix(image, mix.cutmix_mask(keys(1), SIZE)), image)


def test_mixing_without_a_batch_is_empty() -> None:
    assert mix.mix(torch.rand(0, 3, *SIZE), mix.cutmix_mask(keys(0), SIZE)).shape == (0, 3, *SIZE)
    assert mix.classmix_mask(torch.zeros(0, *SIZE, dtype=torch.uint8), keys(0)).shape == (0, *SIZE)


def test_cutmix_cuts_one_box_of_the_asked_area_and_aspect() -> None:
    size = (200, 300)
    shares, aspects, tops = [], [], []
    for mask in mix.cutmix_mask(keys(300), size):
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        height, width = int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1
        assert mask.sum() == height * width  # filled, and only one
        shares.append(height * width / (size[0] * size[1]))
        aspects.append((height / size[0]) / (width / size[1]))
        tops.append(int(rows.min()) / max(1, size[0] - height))
    assert min(shares) > 0.24 and max(shares) < 0.51 and max(shares) - min(shares) > 0.2
    assert min(aspects) > 0.48 and max(aspects) < 2.06 and min(aspects) < 0.6 and max(aspects) > 1.7
    assert min(tops) < 0.05 and max(tops) > 0.95 and 0.4 < sum(tops) / 300 < 0.6


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2)])
def test_cutmix_fits_small_images(size: tuple[int, int]) -> None:
    masks = mix.cutmix_mask(keys(50), size, area=(0.9, 1.0), aspect=(0.2, 5.0))
    assert masks.shape == (50, *size) and masks.flatten(1).any(1).all()


def test_rule_25_a_mask_depends_on_its_key_alone() -> None:
    label = torch.randint(0, 6, (4, *SIZE)).to(torch.uint8)
    cut, chosen = mix.cutmix_mask(keys(4), SIZE), mix.classmix_mask(label, keys(4))
    for b in range(4):
        assert torch.equal(mix.cutmix_mask(keys(4)[b : b + 1], SIZE)[0], cut[b])
        assert torch.equal(mix.classmix_mask(label[b : b + 1], keys(4)[b : b + 1])[0], chosen[b])
    assert len({mask.numpy().tobytes() for mask in cut}) == 4


@pytest.mark.parametrize("classes", range(1, 8))
def test_classmix_takes_half_of_the_present_classes_rounded_down(classes: int) -> None:
    present = torch.tensor([3, 9, 0, 250, 17, 41, 5], dtype=torch.uint8)[:classes]
    label = present[torch.arange(SIZE[0] * SIZE[1]) % classes].view(1, *SIZE)
    for key in range(20):
        mask = mix.classmix_mask(label, torch.tensor([key]))
        chosen = label[mask].unique()
        assert len(chosen) == classes // 2
        assert torch.equal(mask, torch.isin(label, chosen))  # whole classes


def test_classmix_draws_every_class_equally_often() -> None:
    label = (torch.arange(SIZE[0] * SIZE[1]) % 5).to(torch.uint8).view(1, *SIZE).expand(1000, -1, -1)
    taken = mix.classmix_mask(label, keys(1000))[:, 0, :5].sum(0)
    assert (taken - 400).abs().max() < 70  # 2 of 5; the standard deviation is 15


def test_rule_12_classmix_never_counts_nor_picks_void_or_padding() -> None:
    label = torch.randint(0, 3, (60, *SIZE)).to(torch.uint8)
    coded = label.clone()
    coded[:, ::2], coded[:, :, ::3] = labels.VOID, labels.PADDING
    mask = mix.classmix_mask(coded, keys(60))
    assert not mask[~labels.valid(coded)].any()
    # they do not change which of the three real classes is taken either
    assert torch.equal(mask, mix.classmix_mask(label, keys(60)) & labels.valid(coded))
    only_codes = torch.full((2, *SIZE), labels.VOID, dtype=torch.uint8)
    assert not mix.classmix_mask(only_codes, keys(2)).any()
