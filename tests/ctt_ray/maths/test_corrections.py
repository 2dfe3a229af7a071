"""A corrector's question and what its answer makes of a prediction, by hand."""

from __future__ import annotations

import pytest
import torch

from ctt_ray.maths import corrections, labels

K, V, P = 3, labels.VOID, labels.PADDING


def row(*values: int) -> torch.Tensor:
    return torch.tensor([[values]], dtype=torch.uint8)


def test_the_target_says_right_or_names_the_class() -> None:
    found = corrections.correction_target(row(0, 1, 2, V, P), row(0, 2, 2, V, P), K)
    assert found.equal(row(K, 1, K, V, P))
    assert corrections.all_right(row(0, 1, 2, V, P), K).equal(row(K, K, K, V, P))


def test_corrected_keeps_what_is_right_and_amends_the_rest() -> None:
    logits = torch.full((1, K + 1, 1, 4), -20.0)
    for x, channel in enumerate((K, 1, 2, 0)):
        logits[0, channel, 0, x] = 0.0
    logits[0, 0, 0, 0] = -torch.tensor(3.0).log()  # the first answer has probability 3/4
    label, weight = corrections.corrected(row(2, 2, 2, P), logits)
    assert label.equal(row(2, 1, 2, P))
    assert label.dtype == torch.uint8
    assert weight[0, 0].tolist() == pytest.approx([0.75, 1, 1, 1], abs=1e-6)
