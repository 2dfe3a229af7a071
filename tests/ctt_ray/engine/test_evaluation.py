"""Scores: one confusion matrix over the set, every mode against a plain reference, void and padding never counted."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ctt_ray import nets
from ctt_ray.engine.evaluation import _starts, evaluate, probabilities
from ctt_ray.engine.world import World
from ctt_ray.maths import colour, labels, metrics
from ctt_ray.nets import NetOut
from ctt_ray.placement import Layout

CPU = torch.device("cpu")
CLASSES = 3
Item = tuple[str, Tensor, Tensor]


class Pixelwise(nn.Module):
    """Class = strongest colour channel, pixel by pixel; `shift` turns the classes round. Looks at no neighbour."""

    def __init__(self, shift: int = 0, sharpness: float = 100.0) -> None:
        super().__init__()
        self.shift, self.sharpness = shift, sharpness

    def forward(self, image_B3HW: Tensor) -> NetOut:
        scores_B3HW = image_B3HW * image_B3HW.new_tensor(colour.IMAGENET_STD)[:, None, None]
        scores_B3HW = scores_B3HW + image_B3HW.new_tensor(colour.IMAGENET_MEAN)[:, None, None]
        return NetOut((self.sharpness * scores_B3HW).roll(self.shift, dims=1), scores_B3HW, scores_B3HW)


def tiny_net(seed: int = 0) -> nn.Module:
    net = nets.build(
        arch="deeplabv3plus", backbone="mobilenet_v2", classes=CLASSES, feature_dim=8, width=0.25, seed=seed
    )
    return net.eval().requires_grad_(False)


def noise(number: int, height: int, width: int) -> Tensor:
    """Every pixel has one strongest channel: the channels differ modulo 3."""
    generator = torch.Generator().manual_seed(number)
    image = torch.randint(0, 84, (1, 3, height, width), generator=generator, dtype=torch.uint8)
    return 3 * image + torch.arange(3, dtype=torch.uint8)[:, None, None]


def item(number: int, height: int = 12, width: int = 16, *, void: bool = True) -> Item:
    """An image of noise with a truth of noise."""
    generator = torch.Generator().manual_seed(1000 + number)
    label = torch.randint(0, CLASSES, (1, height, width), generator=generator, dtype=torch.uint8)
    if void:
        label[:, : number % 4] = labels.VOID
    return f"i{number}", noise(number, height, width), label


def painted(label_1HW: Tensor) -> Tensor:
    """The image that Pixelwise() segments into these labels."""
    return (F.one_hot(label_1HW.long().clamp(max=CLASSES - 1), CLASSES).permute(0, 3, 1, 2) * 200).to(torch.uint8)


def plain_matrix(pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    """matrix[truth, prediction], counted pixel by pixel."""
    matrix = torch.zeros(CLASSES, CLASSES, dtype=torch.int64)
    for predicted, truth in pairs:
        for p, t in zip(predicted.flatten().tolist(), truth.flatten().tolist(), strict=True):
            if t not in (labels.VOID, labels.PADDING):
                matrix[t, p] += 1
    return matrix


# -- probabilities ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [(40, 48), (41, 48), (500, 500)])
def test_a_window_as_large_as_the_image_equals_the_whole(window: tuple[int, int]) -> None:
    image = noise(0, 40, 48)
    whole, slid = (probabilities(tiny_net(), image, mode=mode, window=window) for mode in ("whole", "slide"))
    assert torch.equal(whole, slid)


@pytest.mark.parametrize("size", [(17, 23), (1, 1), (40, 48), (33, 5)])
@pytest.mark.parametrize("mode", ["whole", "slide"])
def test_probabilities_have_the_size_of_the_image_and_sum_to_one(size: tuple[int, int], mode: str) -> None:
    probs = probabilities(tiny_net(), noise(1, *size), mode=mode, window=(16, 16))
    assert probs.shape == (1, CLASSES, *size) and probs.dtype == torch.float32
    torch.testing.assert_close(probs.sum(1), torch.ones(1, *size))


def test_sliding_windows_are_averaged_pixel_by_pixel() -> None:
    """A net whose answer depends on the window it sees: the mean over windows, summed up by hand."""

    class Brightness(nn.Module):
        def forward(self, image_B3HW: Tensor) -> NetOut:
            mean = image_B3HW.mean((1, 2, 3), keepdim=True)
            logits = torch.cat([mean, -mean, 0 * mean], 1).expand(-1, -1, *image_B3HW.shape[2:])
            return NetOut(logits, logits, logits)

    image, (high, wide) = noise(2, 10, 13), (6, 6)
    normal = colour.normalise(image.float() / 255)
    total, count = torch.zeros(1, CLASSES, 10, 13), torch.zeros(10, 13)
    for top in (0, 4):  # steps of 2/3 of the window, the last one at the border
        for left in (0, 4, 7):
            part = normal[..., top : top + high, left : left + wide]
            total[..., top : top + high, left : left + wide] += Brightness()(part).logits_BKhw.softmax(1)
            count[top : top + high, left : left + wide] += 1
    torch.testing.assert_close(probabilities(Brightness(), image, mode="slide", window=(high, wide)), total / count)


@settings(max_examples=300, deadline=None)
@given(length=st.integers(1, 400), window=st.integers(1, 400))
def test_windows_cover_everything_and_stay_inside(length: int, window: int) -> None:
    starts = _starts(length, window)
    assert starts == sorted(set(starts)) and starts[0] == 0
    assert starts[-1] + min(window, length) == length
    assert all(b - a <= window for a, b in itertools.pairwise(starts)), "no gap between two windows"


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    window=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    number=st.integers(0, 99),
)
def test_windows_of_a_pixelwise_net_change_nothing(size: tuple[int, int], window: tuple[int, int], number: int) -> None:
    image, net = noise(number, *size), Pixelwise(sharpness=3.0)
    whole = probabilities(net, image, mode="whole", window=window)
    torch.testing.assert_close(probabilities(net, image, mode="slide", window=window), whole)


# -- evaluate -----------------------------------------------------------------------------------------------------------


def test_matrices_equal_counting_pixel_by_pixel() -> None:
    items = [item(n, 9 + n, 14 - n) for n in range(5)]
    nets_by_name = {"a": Pixelwise(), "b": Pixelwise(shift=1)}
    found = evaluate(nets_by_name, items, classes=CLASSES, device=CPU)
    for name, net in nets_by_name.items():
        pairs = [(image.max(1).indices.add(net.shift) % CLASSES, label) for _, image, label in items]
        assert torch.equal(found[name], plain_matrix(pairs))
        assert found[name].sum() == sum((label != labels.VOID).sum() for _, _, label in items)


def test_one_matrix_is_not_the_mean_of_image_ious() -> None:
    """Two images by hand: 8 pixels all right, 8 of which only the first 2 are right."""
    first, second = torch.zeros(1, 2, 4, dtype=torch.uint8), torch.zeros(1, 2, 4, dtype=torch.uint8)
    shown = second.clone()
    shown.view(-1)[2:] = 1
    items = [("a", painted(first), first), ("b", painted(shown), second)]
    alone = [evaluate({"n": Pixelwise()}, [one], classes=CLASSES, device=CPU)["n"] for one in items]
    both = evaluate({"n": Pixelwise()}, items, classes=CLASSES, device=CPU)["n"]
    assert metrics.iou(both)[0] == 10 / 16
    assert sum(metrics.iou(matrix)[0] for matrix in alone) / 2 == (1 + 2 / 8) / 2


def test_classes_in_neither_truth_nor_prediction_are_left_out() -> None:
    truth = torch.zeros(1, 4, 4, dtype=torch.uint8)
    truth[:, 2:] = 1
    matrix = evaluate({"n": Pixelwise()}, [("a", painted(truth), truth)], classes=CLASSES, device=CPU)["n"]
    assert metrics.iou(matrix).isnan().tolist() == [False, False, True]
    assert metrics.mean_iou(matrix) == 1.0
    wrong = painted(torch.full_like(truth, 2))
    matrix = evaluate({"n": Pixelwise()}, [("a", wrong, truth)], classes=CLASSES, device=CPU)["n"]
    assert metrics.iou(matrix).tolist() == [0.0, 0.0, 0.0], "predicted but never true counts as 0"


@pytest.mark.parametrize("code", [labels.VOID, labels.PADDING])
@pytest.mark.parametrize("mode", ["whole", "slide", "half"])
def test_void_and_padding_are_never_scored(code: int, mode: str) -> None:
    _, image, label = item(3, 16, 16, void=False)
    label[:, 8:] = code
    changed = image.clone()
    changed[..., 10:, :] = 255 - changed[..., 10:, :]  # two rows off the border: half size mixes neighbours
    one, other = (
        evaluate({"n": Pixelwise()}, [("a", picture, label)], classes=CLASSES, device=CPU, mode=mode, window=(6, 6))[
            "n"
        ]
        for picture in (image, changed)
    )
    assert torch.equal(one, other) and one.sum() == (32 if mode == "half" else 128)


def test_half_scores_image_and_label_at_half_size() -> None:
    """Blocks of 8 pixels: at half size every second label counts, and a net that is right at half size is right."""
    generator = torch.Generator().manual_seed(5)
    blocks = torch.randint(0, CLASSES, (1, 3, 4), generator=generator, dtype=torch.uint8)
    label = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    sizes = []

    class Watched(Pixelwise):
        def forward(self, image_B3HW: Tensor) -> NetOut:
            sizes.append(tuple(image_B3HW.shape[-2:]))
            return super().forward(image_B3HW)

    image = painted(label)
    found = evaluate({"n": Watched()}, [("a", image, label)], classes=CLASSES, device=CPU, mode="half")["n"]
    assert sizes == [(12, 16)]
    half = blocks.repeat_interleave(4, 1).repeat_interleave(4, 2)
    assert torch.equal(found, plain_matrix([(half, half)]))
    whole = evaluate({"n": Pixelwise()}, [("a", image, label)], classes=CLASSES, device=CPU)["n"]
    assert torch.equal(whole, 4 * found)


def test_half_is_decided_at_half_size_without_a_detour_over_the_full_one() -> None:
    """Noise at half size: going up to full size and back would blur it and turn labels round."""
    small = noise(7, 9, 11)
    image, net = small.repeat_interleave(2, 2).repeat_interleave(2, 3), Pixelwise(sharpness=3.0)
    label = small.max(1).indices.to(torch.uint8)
    found = evaluate(
        {"n": net}, [("a", image, label.repeat_interleave(2, 1).repeat_interleave(2, 2))], classes=CLASSES, device=CPU,
        mode="half",
    )["n"]  # fmt: skip
    assert torch.equal(found, plain_matrix([(label, label)]))


def test_the_ensemble_is_the_mean_probability_of_its_members() -> None:
    items = [item(n) for n in range(3)]
    members = {"a": Pixelwise(sharpness=4.0), "b": Pixelwise(shift=1, sharpness=5.0), "c": Pixelwise(shift=2)}
    found = evaluate(members, items, classes=CLASSES, device=CPU, ensemble=("a", "b"))
    assert list(found) == ["a", "b", "c", "ensemble"]
    pairs = []
    for _, image, label in items:
        parts = [probabilities(members[name], image, mode="whole", window=(1, 1)) for name in ("a", "b")]
        pairs.append(((parts[0] + parts[1]).max(1).indices, label))
    assert torch.equal(found["ensemble"], plain_matrix(pairs))
    assert not torch.equal(found["ensemble"], found["a"]) and not torch.equal(found["ensemble"], found["b"])


def test_networks_are_scored_in_eval_mode_and_left_as_they_were() -> None:
    net = nets.build(arch="deeplabv3plus", backbone="mobilenet_v2", classes=CLASSES, feature_dim=8, width=0.25).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    items = [item(n, 32, 32) for n in range(2)]
    one, other = (evaluate({"n": net}, items, classes=CLASSES, device=CPU)["n"] for _ in range(2))
    assert torch.equal(one, other), "no dropout"
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items()), "no BatchNorm update"


# -- merging ------------------------------------------------------------------------------------------------------------


def test_shares_of_the_set_add_up() -> None:
    items = [item(n) for n in range(7)]
    score: Callable[..., dict[str, Tensor]] = functools.partial(evaluate, classes=CLASSES, device=CPU)
    parts = [score({"n": Pixelwise()}, items[rank::3])["n"] for rank in range(3)]
    assert torch.equal(sum(parts), score({"n": Pixelwise()}, items)["n"])


def test_every_matrix_is_summed_over_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [item(n) for n in range(5)]
    members = {"a": Pixelwise(sharpness=4.0), "b": Pixelwise(shift=1, sharpness=5.0)}
    score: Callable[..., dict[str, Tensor]] = functools.partial(
        evaluate, members, classes=CLASSES, device=CPU, ensemble=("a", "b")
    )
    whole, other = score(items), score(items[1::2])
    world, rest = World.alone(), iter([other[name] for name in sorted(other)])
    monkeypatch.setattr(world.everyone, "total", lambda matrix: matrix + next(rest))
    mine = score(items[::2], world=world)
    assert all(torch.equal(mine[name], whole[name]) for name in ("a", "b", "ensemble"))


def score_share(rank: int, folder: str) -> None:
    """One of two workers: rank 1 has nothing to score, and both must end with the whole matrix."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    items = [item(n) for n in range(3)] if rank == 0 else []
    found = evaluate({"n": Pixelwise()}, items, classes=CLASSES, device=CPU, world=World(Layout(False, 1, 2), rank))[
        "n"
    ]
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_workers_end_with_the_whole_matrix_and_one_without_images_does_not_hang(tmp_path: Path) -> None:
    mp.spawn(score_share, args=(str(tmp_path),), nprocs=2)
    whole = evaluate({"n": Pixelwise()}, [item(n) for n in range(3)], classes=CLASSES, device=CPU)["n"]
    for rank in range(2):
        assert torch.equal(torch.load(tmp_path / f"{rank}.pt"), whole)
