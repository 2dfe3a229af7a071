"""The class bank against one Python list a class."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ctt_ray.maths import bank, labels

K, D = 3, 2


def in_order(stored: bank.ClassBank, c: int) -> list[list[float]]:
    """The rows of class c, oldest first."""
    head, fill, slots = int(stored.head_K[c]), int(stored.fill_K[c]), stored.rows_KND.shape[1]
    return [stored.rows_KND[c, (head - fill + age) % slots].tolist() for age in range(fill)]


def numbered(values: list[float]) -> Tensor:
    return torch.tensor(values)[:, None].expand(-1, D)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), slots=st.integers(1, 6), pushes=st.integers(1, 8))
def test_rule_10_bank_is_a_fifo_list_for_each_class(data: st.DataObject, slots: int, pushes: int) -> None:
    stored = bank.ClassBank(K, slots, D)
    expected: list[list[list[float]]] = [[] for _ in range(K)]
    for push in range(pushes):
        rows = data.draw(st.integers(0, 12), label="rows")
        take = data.draw(st.integers(1, slots), label="take")
        label_M = torch.tensor(data.draw(st.lists(st.sampled_from([0, 1, 2, 254, 255]), min_size=rows, max_size=rows)))
        label_M = label_M.to(torch.uint8)
        admitted = torch.tensor(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), dtype=torch.bool)
        score_M = torch.where(admitted, torch.randperm(rows).float() / 16, -1.0)
        feat_MD = torch.randn(rows, D) + push
        for c in range(K):
            mine = [m for m in range(rows) if label_M[m] == c and score_M[m] >= 0]
            best = sorted(mine, key=lambda m: -score_M[m].item())[:take]
            expected[c] = (expected[c] + [feat_MD[m].tolist() for m in best])[-slots:]
        stored.push(*bank.select(feat_MD, label_M, score_M, take, K))
        assert [in_order(stored, c) for c in range(K)] == expected
        assert ((stored.head_K >= 0) & (stored.head_K < slots)).all()
        assert stored.full_K.tolist() == [len(queue) == slots for queue in expected]
        assert bool(stored.all_full) == all(len(queue) == slots for queue in expected)


def test_rule_10_the_oldest_row_leaves_and_no_new_row_is_lost() -> None:
    stored = bank.ClassBank(1, 5, D)
    for first in (0, 3):
        stored.push(numbered([first, first + 1.0, first + 2.0])[None], torch.ones(1, 3, dtype=torch.bool))
    assert in_order(stored, 0) == [[v, v] for v in (1.0, 2.0, 3.0, 4.0, 5.0)]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), slots=st.integers(1, 5), offered=st.integers(1, 14))
def test_valid_rows_need_not_come_first_nor_fit(data: st.DataObject, slots: int, offered: int) -> None:
    """What several workers hand over: gaps in the middle, more rows than slots. Together or one by one is the same."""
    rows_KTD = torch.randn(K, offered, D)
    mask = data.draw(st.lists(st.booleans(), min_size=K * offered, max_size=K * offered))
    valid_KT = torch.tensor(mask).view(K, offered)
    once, split = bank.ClassBank(K, slots, D), bank.ClassBank(K, slots, D)
    once.push(rows_KTD, valid_KT)
    cut = data.draw(st.integers(0, offered), label="cut")
    for part in (slice(0, cut), slice(cut, offered)):
        split.push(rows_KTD[:, part], valid_KT[:, part])
    for c in range(K):
        expected = [rows_KTD[c, t].tolist() for t in range(offered) if valid_KT[c, t]][-slots:]
        assert in_order(once, c) == expected == in_order(split, c)


def test_rule_10_only_correct_labelled_pixels_with_enough_probability_are_admitted() -> None:
    label_M = torch.tensor([0, 1, 2, 255, 254, 1, 1], dtype=torch.uint8)
    pred_M = torch.tensor([0, 0, 2, 255, 254, 1, 1], dtype=torch.uint8)
    conf_M = torch.tensor([0.9, 0.9, 0.3, 0.9, 0.9, 0.5, 0.8])
    score = bank.admission_score(label_M, pred_M, conf_M, min_conf=0.5, select="confidence")
    torch.testing.assert_close(score, torch.tensor([0.9, -1, -1, -1, -1, 0.5, 0.8]))
    uniform_M = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.5])
    score = bank.admission_score(label_M, pred_M, conf_M, min_conf=0.0, select="random", uniform_M=uniform_M)
    torch.testing.assert_close(score, torch.tensor([0.0, -1, 0.2, -1, -1, 0.6, 0.5]))


def test_rule_10_confidence_is_a_probability_not_a_logit() -> None:
    """Large logits that disagree are still unsure: a test on logits would let them in."""
    logits_BKhw = torch.tensor([50.0, 50.0, 50.0]).view(1, K, 1, 1)
    pred_Bhw, conf_Bhw = labels.confidence(logits_BKhw)
    score = bank.admission_score(
        pred_Bhw.flatten(), pred_Bhw.flatten(), conf_Bhw.flatten(), min_conf=0.95, select="confidence"
    )
    assert conf_Bhw.item() == pytest.approx(1 / 3) and score.item() == -1


def test_random_selection_needs_numbers_from_outside() -> None:
    args = (torch.zeros(2), torch.zeros(2), torch.ones(2))
    with pytest.raises(ValueError, match="pass uniform_M"):
        bank.admission_score(*args, min_conf=0.0, select="random")
    with pytest.raises(ValueError, match="'confidence' or 'random'"):
        bank.admission_score(*args, min_conf=0.0, select="newest")  # type: ignore[arg-type]


def test_select_gives_the_best_first_and_fixed_shapes() -> None:
    label_M = torch.tensor([1, 1, 0, 1, 255], dtype=torch.uint8)
    score_M = torch.tensor([0.2, 0.9, 0.0, 0.5, -1.0])
    rows_KTD, valid_KT = bank.select(numbered([10.0, 11.0, 12.0, 13.0, 14.0]), label_M, score_M, 2, K)
    assert valid_KT.tolist() == [[True, False], [True, True], [False, False]]
    assert rows_KTD[..., 0].tolist() == [[12.0, 0.0], [11.0, 13.0], [0.0, 0.0]]
    rows_KTD, valid_KT = bank.select(torch.zeros(0, D), torch.zeros(0), torch.zeros(0), 4, K)
    assert rows_KTD.shape == (K, 4, D) and not valid_KT.any()


def test_state_dict_holds_all_and_the_bank_goes_on_from_it() -> None:
    first, fresh = bank.ClassBank(K, 4, D), bank.ClassBank(K, 4, D)
    steps = [(torch.randn(K, 3, D), torch.rand(K, 3) > 0.4) for _ in range(6)]
    for step in steps[:3]:
        first.push(*step)
    assert set(first.state_dict()) == {"rows_KND", "head_K", "fill_K"}
    fresh.load_state_dict(copy.deepcopy(first.state_dict()))
    for step in steps[3:]:
        first.push(*step)
        fresh.push(*step)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), fresh.state_dict().values(), strict=True))


def test_pushed_rows_carry_no_gradient_and_are_float32() -> None:
    stored = bank.ClassBank(K, 4, D)
    feat = torch.randn(6, D, requires_grad=True).bfloat16()
    stored.push(*bank.select(feat, torch.zeros(6), torch.rand(6), 2, K))
    assert stored.rows_KND.dtype == torch.float32 and not stored.rows_KND.requires_grad
    assert stored.fill_K.tolist() == [2, 0, 0] and stored.fill_K.dtype == torch.int64


@pytest.mark.parametrize(
    ("slots", "batch", "images", "take"),
    [(128, 10, 10582, 10), (128, 2, 100, 2), (128, 10, 92, 13), (128, 4, 3, 128), (256, 2, 372, 2), (8, 16, 1000, 8)],
)
def test_auto_take_renews_a_queue_about_once_a_pass(slots: int, batch: int, images: int, take: int) -> None:
    assert bank.auto_take(slots, batch, images) == take


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        bank.ClassBank(K, 0, D)
    with pytest.raises(ValueError, match="nothing to put into a bank"):
        bank.auto_take(128, 4, 0)
    with pytest.raises(ValueError, match="at least 1 row"):
        bank.select(torch.zeros(1, D), torch.zeros(1), torch.zeros(1), 0, K)
