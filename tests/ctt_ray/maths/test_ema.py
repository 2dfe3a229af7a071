"""How teachers follow: copies, warm-up, buffer policies, and the mistakes that are refused."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from ctt_ray.maths import ema


def network(seed: int) -> nn.Module:
    """A body with BatchNorm and a classifier, all values from the seed."""
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential()
    net.add_module("body", nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)))
    net.add_module("classifier", nn.Conv2d(4, 2, 1))
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            else:
                tensor.fill_(seed)
    return net


def values(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def same(net: nn.Module, expected: dict[str, torch.Tensor], within: str = "") -> bool:
    return all(torch.equal(t, expected[name]) for name, t in net.state_dict().items() if name.startswith(within))


def test_rule_01_a_copied_teacher_stays_when_the_student_moves() -> None:
    student = network(1)
    teacher = copy.deepcopy(student)
    ema.follow_(teacher, student, decay=0.5)
    before = values(teacher)
    assert same(student, before)
    with torch.no_grad():
        for tensor in student.state_dict().values():
            tensor.add_(1)
    assert same(teacher, before)


def test_rule_01_shared_memory_is_refused_with_the_remedy() -> None:
    student = network(1)
    teacher = copy.deepcopy(student)
    teacher.classifier = student.classifier
    with pytest.raises(ValueError, match=r"share the memory of 'classifier.weight'.*deepcopy"):
        ema.follow_(teacher, student, decay=0.9)
    before = values(teacher)
    ema.follow_(teacher, student, decay=0.0, skip=("classifier",))  # what is skipped may be anything
    assert same(teacher, before)


def test_rule_02_decay_warms_up_from_a_copy_over_the_mean_to_its_value() -> None:
    assert [ema.decay_at(t, 0.99) for t in (0, 1, 3, 98, 99, 100, 10**6)] == [
        0,
        0.5,
        0.75,
        1 - 1 / 99,
        0.99,
        0.99,
        0.99,
    ]
    assert all(ema.decay_at(t, 0.7) <= 0.7 for t in range(50))


@pytest.mark.parametrize("buffers", ["average", "copy"])
def test_rule_02_the_first_update_is_a_bitwise_copy(buffers: ema.Buffers) -> None:
    teacher, student = network(1), network(2)
    ema.follow_(teacher, student, decay=ema.decay_at(0, 0.99), buffers=buffers)
    assert same(teacher, values(student))


def test_rule_02_the_second_update_is_the_plain_mean() -> None:
    teacher, student = network(1), network(2)
    before = values(teacher)
    ema.follow_(teacher, student, decay=ema.decay_at(1, 0.99))
    for name, tensor in teacher.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, (before[name] + student.state_dict()[name]) / 2)


@pytest.mark.parametrize("buffers", ["average", "copy", "own"])
def test_rule_02_buffers_follow_the_policy_and_counters_are_copied(buffers: ema.Buffers) -> None:
    teacher, student = network(1), network(2)
    before, leader = values(teacher), values(student)
    ema.follow_(teacher, student, decay=0.9, buffers=buffers)
    after = values(teacher)
    for name in ("body.1.running_mean", "body.1.running_var"):
        expected = {"average": 0.9 * before[name] + 0.1 * leader[name], "copy": leader[name], "own": before[name]}
        torch.testing.assert_close(after[name], expected[buffers])
    assert after["body.1.num_batches_tracked"].item() == (1 if buffers == "own" else 2)
    for name, _ in teacher.named_parameters():
        torch.testing.assert_close(after[name], 0.9 * before[name] + 0.1 * leader[name])
    assert same(student, leader)


@pytest.mark.parametrize(("buffers", "tracks"), [("average", True), ("copy", True), ("own", False)])
def test_rule_03_averaged_statistics_track_the_data_and_unaveraged_ones_do_not(
    buffers: ema.Buffers, tracks: bool
) -> None:
    student = nn.Sequential(nn.BatchNorm2d(2))
    teacher = copy.deepcopy(student)
    for step in range(120):
        student(torch.randn(8, 2, 4, 4) + 5)
        ema.follow_(teacher, student, decay=ema.decay_at(step, 0.9), buffers=buffers)
    mean = teacher.state_dict()["0.running_mean"]
    assert torch.allclose(mean, torch.full((2,), 5.0 if tracks else 0.0), atol=0.2)


def test_rule_23_skipped_parts_stay() -> None:
    follower, leader = network(1), network(2)
    before = values(follower)
    ema.follow_(follower, leader, decay=0.3, skip=("classifier",))
    assert same(follower, before, within="classifier") and not same(follower, before, within="body")
    ema.follow_(follower, leader, decay=0.0, skip=("class", "body.1"))  # a prefix of a name is not a module
    assert same(follower, values(leader), within="classifier") and same(follower, values(leader), within="body.0")
    assert not same(follower, values(leader), within="body.1")


def test_many_updates_equal_the_recursion() -> None:
    teacher, student = network(1).double(), network(1).double()
    expected = teacher.classifier.weight.detach().clone()
    for step in range(20):
        with torch.no_grad():
            student.classifier.weight.add_(torch.randn_like(expected))
        decay = min(1 - 1 / (step + 1), 0.8)
        expected = decay * expected + (1 - decay) * student.classifier.weight.detach()
        ema.follow_(teacher, student, decay=ema.decay_at(step, 0.8))
    torch.testing.assert_close(teacher.classifier.weight.detach(), expected)


def test_a_teacher_without_gradient_and_a_decay_of_one() -> None:
    teacher, student = network(1).requires_grad_(False), network(2)
    before = values(teacher)
    ema.follow_(teacher, student, decay=1.0, buffers="own")
    assert same(teacher, before)
    ema.follow_(teacher, student, decay=0.5)
    assert not any(p.requires_grad or p.grad_fn for p in teacher.parameters())


def test_wrong_arguments_are_refused() -> None:
    teacher, student = network(1), network(2)
    with pytest.raises(ValueError, match=r"lies in \[0, 1\]"):
        ema.follow_(teacher, student, decay=1.5)
    with pytest.raises(ValueError, match="'average', 'copy' or 'own'"):
        ema.follow_(teacher, student, decay=0.5, buffers="mean")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="build both by the same call"):
        ema.follow_(teacher, nn.Sequential(student), decay=0.5)
