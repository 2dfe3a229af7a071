"""The critics, the corrector and the flaw detector: shapes at any size, size in numbers, gradients, what they cannot see."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctt_ray.nets.auxiliary.corrector import Corrector
from ctt_ray.nets.auxiliary.flaw_detector import FlawDetector
from ctt_ray.nets.auxiliary.image_critic import ImageCritic, _drop_channels
from ctt_ray.nets.auxiliary.pixel_critic import PixelCritic

K = 3
Net = Callable[..., nn.Module]
NETS: dict[str, Net] = {
    "pixel_critic": PixelCritic,
    "image_critic": ImageCritic,
    "corrector": Corrector,
    "flaw_detector": FlawDetector,
}


def scene(height: int = 32, width: int = 32, batch: int = 2) -> tuple[Tensor, Tensor]:
    return torch.randn(batch, 3, height, width), torch.rand(batch, K, height, width).softmax(1)


def answer(net: nn.Module, image: Tensor, probs: Tensor) -> Tensor:
    if isinstance(net, PixelCritic):
        return net(probs)
    found = net(image, probs)
    return found.logit_B if isinstance(net, ImageCritic) else found


@pytest.mark.parametrize("size", [(1, 1), (17, 9), (32, 32), (33, 47), (97, 128)])
@pytest.mark.parametrize("kind", NETS)
def test_shapes_at_any_size(kind: str, size: tuple[int, int]) -> None:
    net = NETS[kind](K, width=8)
    shape = {
        "pixel_critic": (2, *size),
        "image_critic": (2,),
        "corrector": (2, K + 1, *size),
        "flaw_detector": (2, *size),
    }
    assert answer(net, *scene(*size)).shape == shape[kind]


def conv(inputs: int, outputs: int, kernel: int, *, norm: bool = False) -> int:
    """Parameters of a convolution with a bias, or with the two of a norm in its place."""
    return inputs * outputs * kernel**2 + (2 if norm else 1) * outputs


def test_sizes_in_numbers() -> None:
    def count(net: nn.Module) -> int:
        return sum(p.numel() for p in net.parameters())

    critic = conv(21, 64, 4) + conv(64, 128, 4) + conv(128, 256, 4) + conv(256, 512, 4)
    assert count(PixelCritic(21)) == critic + conv(512, 1, 4)
    assert count(ImageCritic(21)) == critic + 3 * 64 * 16 + 512 + 1
    flaw = conv(24, 64, 4, norm=True)
    for channels in (64, 128, 256):
        flaw += conv(channels, 2 * channels, 4, norm=True) + conv(2 * channels, 2 * channels, 3, norm=True)
    assert count(FlawDetector(21)) == flaw + conv(512, 1, 4)
    assert count(Corrector(21)) < 2e6


@pytest.mark.parametrize("kind", NETS)
def test_every_parameter_and_the_segmentation_get_a_gradient(kind: str) -> None:
    net = NETS[kind](K, width=8)
    image, probs = scene(48, 48)
    probs.requires_grad_()
    answer(net, image, probs).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert probs.grad is not None and probs.grad.flatten(1).any(1).all()


@pytest.mark.parametrize("kind", NETS)
def test_the_callers_seed_decides_the_weights_and_the_batch_nothing(kind: str) -> None:
    nets = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        nets.append(NETS[kind](K, width=8).eval())
    image, probs = scene(batch=3)
    first, again, other = (answer(net, image, probs) for net in nets)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    torch.testing.assert_close(answer(nets[0], image[1:2], probs[1:2]), first[1:2])


@pytest.mark.parametrize("kind", ["image_critic", "corrector", "flaw_detector"])
def test_the_image_is_seen_too(kind: str) -> None:
    net = NETS[kind](K, width=8)
    image, probs = scene()
    assert not torch.allclose(answer(net, image, probs), answer(net, -image, probs))


def test_a_detector_compares_places_of_a_tiny_image_too() -> None:
    flaw = FlawDetector(K, width=8)(*scene(32, 32)).detach()
    assert (flaw.amax((1, 2)) - flaw.amin((1, 2))).min() > 1e-3


def test_the_image_critics_dropout_is_the_callers_and_keeps_the_mean() -> None:
    net = ImageCritic(K, width=8)
    image, probs = scene()

    def seen(seed: int | None) -> Tensor:
        return net(image, probs, None if seed is None else torch.Generator().manual_seed(seed)).feat_BC.detach()

    state = torch.get_rng_state()
    assert torch.equal(seen(1), seen(1))
    assert not torch.equal(seen(1), seen(2))
    assert torch.equal(seen(None), seen(None))
    assert torch.equal(state, torch.get_rng_state())


def test_dropped_channels_are_zero_and_the_others_keep_the_mean() -> None:
    plain, draws = torch.rand(4, 50, 2, 2) + 1, torch.Generator().manual_seed(0)
    found = torch.stack([_drop_channels(plain, 0.25, draws) for _ in range(200)])
    factor = found / plain
    assert factor.flatten(3).std(-1).max() < 1e-6  # whole channels
    assert sorted(set(factor.flatten().mul(300).round().tolist())) == [0, 400]
    torch.testing.assert_close(found.mean((0, 1, 2)), plain.mean((0, 1)), rtol=0.02, atol=0)


def test_a_corrector_learns_to_say_what_is_right() -> None:
    """Two classes, told by the image's sign; the segmentation is wrong in its right half."""
    image = torch.randn(2, 1, 1, 1).sign() * torch.ones(2, 3, 32, 32)
    image[0] = -image[1]
    truth = (image[:, 0] > 0).long()
    shown = truth.clone()
    shown[..., 16:] = 1 - shown[..., 16:]
    target = torch.where(shown == truth, 2, truth)
    net = Corrector(2, width=8)
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    probs = F.one_hot(shown, 2).permute(0, 3, 1, 2).float()
    for _ in range(40):
        loss = F.cross_entropy(net(image, probs), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (net(image, probs).argmax(1) == target).float().mean() > 0.9
