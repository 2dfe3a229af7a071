"""Auxiliary decoders: what each of them sees, and who learns."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ctt_ray.nets.auxiliary.auxiliary_decoders import PERTURBATIONS, AuxiliaryDecoders

D, K = 16, 3
feat = torch.rand(2, D, 8, 8, generator=torch.Generator().manual_seed(1))
label = torch.randint(0, K, (2, 8, 8), generator=torch.Generator().manual_seed(2)).to(torch.uint8)


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def spied(net: AuxiliaryDecoders) -> dict[str, torch.Tensor]:
    """What the first decoder of each perturbation is given at last."""
    seen: dict[str, torch.Tensor] = {}
    for name, decoders in net.decoders.items():
        decoders[0].register_forward_pre_hook(lambda _, args, name=name: seen.__setitem__(name, args[0].detach()))
    net(feat, label, draws())
    return seen


def test_one_map_of_logits_a_decoder_and_all_learn() -> None:
    net = AuxiliaryDecoders(D, K, copies=2)
    leaf = feat.clone().requires_grad_()
    outs = net(leaf, label, draws())
    assert len(outs) == 2 * len(PERTURBATIONS) and {out.shape for out in outs} == {(2, K, 8, 8)}
    sum(out.square().sum() for out in outs).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    assert leaf.grad is not None and leaf.grad.abs().sum() > 0
    hidden = D // 2
    one = D * hidden + hidden + hidden * K + K
    assert sum(p.numel() for p in net.parameters()) == 2 * len(PERTURBATIONS) * one


def test_every_decoder_sees_something_else() -> None:
    seen = spied(AuxiliaryDecoders(D, K))
    assert set(seen) == set(PERTURBATIONS)
    objects = (label > 0)[:, None]
    assert torch.equal(seen["context"], feat * objects) and torch.equal(seen["object"], feat * ~objects)
    for first in PERTURBATIONS:
        assert not torch.equal(seen[first], feat), first
        assert all(not torch.equal(seen[first], seen[other]) for other in PERTURBATIONS if other != first)


def test_adversarial_noise_has_its_length_and_hurts_more_than_other_noise() -> None:
    net = AuxiliaryDecoders(D, K, eps=0.5)
    decoder = net.decoders["vat"][0]
    step = spied(net)["vat"] - feat
    torch.testing.assert_close(step.flatten(1).norm(dim=1), torch.full((2,), 0.5))

    def harm(noise: torch.Tensor) -> float:
        clean, other = (decoder(seen).log_softmax(1) for seen in (feat, feat + noise))
        return F.kl_div(other, clean, log_target=True, reduction="sum").item()

    random = torch.randn_like(step)
    assert harm(step) > 2 * harm(0.5 * random / random.flatten(1).norm(dim=1)[:, None, None, None])


def test_draws_alone_decide() -> None:
    net = AuxiliaryDecoders(D, K)
    torch.manual_seed(1)
    one = net(feat, label, draws())
    torch.manual_seed(2)
    assert all(torch.equal(a, b) for a, b in zip(one, net(feat, label, draws()), strict=True))


def test_initial_weights_come_from_torchs_generator() -> None:
    def first() -> nn.Module:
        torch.manual_seed(1)
        return AuxiliaryDecoders(D, K)

    assert all(torch.equal(a, b) for a, b in zip(first().parameters(), first().parameters(), strict=True))
