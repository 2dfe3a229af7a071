"""Class thresholds against sorted lists."""

from __future__ import annotations

import pytest
import torch

from ctt_ray.maths import labels, thresholds

K = 3


def pixels(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(0, K - 1, (500,), generator=generator).to(torch.uint8)  # class K-1 never occurs
    label[:7] = labels.PADDING
    return label, torch.rand(500, generator=generator).half().float()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 1.0])
def test_the_first_update_is_the_classes_own_quantile(share: float) -> None:
    label, conf = pixels(1)
    found = thresholds.ClassThresholds(K, share=share, decay=0.9)
    found.update(thresholds.histogram(label, conf, K))
    for k in range(K - 1):
        surest = sorted(conf[label == k].tolist(), reverse=True)
        reached = surest[max(1, -int(-share * len(surest) // 1)) - 1]
        assert 0 <= reached - found.value_K[k].item() < 1 / thresholds.BINS  # the lower edge of its bin
        kept = found.passes(label, conf)[label == k].float().mean().item()
        assert kept == pytest.approx(share, abs=0.02)
    assert found.value_K[K - 1].item() == 0


def test_later_updates_average_and_missing_classes_stay() -> None:
    found = thresholds.ClassThresholds(K, share=0.5, decay=0.9)
    for _ in range(2):
        found.update(thresholds.histogram(torch.tensor([0]), torch.tensor([0.5]), K))
    found.update(thresholds.histogram(torch.tensor([0, 1]), torch.tensor([1.0, 0.25]), K))
    assert found.value_K.tolist() == pytest.approx([0.55, 0.25, 0.0], abs=1e-3)


def test_void_padding_and_histograms_of_two_workers() -> None:
    label, conf = pixels(2)
    whole = thresholds.histogram(label, conf, K)
    assert whole.shape == (K, thresholds.BINS) and int(whole.sum()) == 493
    halves = thresholds.histogram(label[:100], conf[:100], K) + thresholds.histogram(label[100:], conf[100:], K)
    assert torch.equal(whole, halves)
    rule = thresholds.ClassThresholds(K, share=0.5, decay=0.9)
    ids = torch.tensor([[labels.VOID, labels.PADDING], [0, 2]], dtype=torch.uint8)
    assert rule.passes(ids, torch.ones(2, 2)).tolist() == [[False, False], [True, True]]


def test_thresholds_are_saved() -> None:
    assert set(thresholds.ClassThresholds(K, share=0.5, decay=0.9).state_dict()) == {"value_K"}
    with pytest.raises(ValueError, match="share must be in"):
        thresholds.ClassThresholds(K, share=0, decay=0.9)
