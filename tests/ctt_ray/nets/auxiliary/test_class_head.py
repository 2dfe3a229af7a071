"""Class activation maps and their attention against loops."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ctt_ray.nets.auxiliary.class_head import ClassHead

B, C, K, H, W, A = 2, 6, 4, 3, 5, 7
high = torch.rand(B, C, H, W, generator=torch.Generator().manual_seed(1))
everything = torch.ones(B, H, W, dtype=torch.bool)


def head() -> ClassHead:
    made = ClassHead(C, K, attention_dim=A)
    torch.nn.init.normal_(made.classifier.weight, std=1.0)
    return made


def test_maps_are_the_normalised_grad_cams_of_the_scores() -> None:
    made, leaf = head(), high.clone().requires_grad_()
    scores = made.scores(leaf)
    maps = made.maps(high, torch.ones(B, K - 1))
    assert scores.shape == (B, K - 1)
    for b in range(B):
        for k in range(K - 1):
            (grad,) = torch.autograd.grad(scores[b, k], leaf, retain_graph=True)
            cam = F.relu((grad[b].mean((1, 2), keepdim=True) * high[b]).sum(0))
            torch.testing.assert_close(maps[b, k], cam / cam.max().clamp(min=1e-12))


def test_absent_classes_have_no_map() -> None:
    present = torch.tensor([[1, 0, 0], [0, 0, 0]])
    maps = head().maps(high, present)
    assert (maps[present == 0] == 0).all() and maps.isfinite().all()


def test_refinement_equals_the_attention_written_out() -> None:
    made = head()
    torch.nn.init.normal_(made.normalise.weight)
    valid = everything.clone()
    valid[0, 0] = False
    cam = torch.rand(B, K - 1, H, W)
    found = made.refine(high, cam, valid)
    query, key = made.query(high).flatten(2).detach(), made.key(high).flatten(2).detach()
    for b in range(B):
        refined = torch.zeros(K - 1, H * W)
        for p in range(H * W):
            exponents = {
                q: math.exp(float(query[b, :, p] @ key[b, :, q]) / math.sqrt(A))
                for q in range(H * W)
                if valid[b].flatten()[q]
            }
            total = sum(exponents.values())
            refined[:, p] = sum(cam[b].flatten(1)[:, q] * e / total for q, e in exponents.items())
        refined += cam[b].flatten(1)
        scores = torch.cat([2 - refined.amax(0, keepdim=True), refined])
        weight, bias = made.normalise.weight[:, :, 0, 0], made.normalise.bias
        expected = (weight @ scores + bias[:, None]).view(K, H, W)
        torch.testing.assert_close(found[b], expected, rtol=1e-4, atol=1e-5)


def test_an_image_of_padding_stays_finite() -> None:
    assert head().refine(high, torch.zeros(B, K - 1, H, W), ~everything).isfinite().all()


def test_refinement_teaches_the_attention_and_scores_teach_the_classifier() -> None:
    made, leaf = head(), high.clone().requires_grad_()
    cam = made.maps(leaf, torch.ones(B, K - 1))
    made.refine(leaf, cam, everything)[:, 1].square().sum().backward()
    assert leaf.grad is None and made.classifier.weight.grad is None
    assert all(p.grad is not None for p in (made.query.weight, made.key.weight, made.normalise.weight))
    made.scores(leaf).sum().backward()
    assert leaf.grad is not None and made.classifier.weight.grad is not None


def test_at_first_the_map_itself_is_the_answer() -> None:
    cam = torch.rand(B, K - 1, H, W)
    made = ClassHead(C, K, attention_dim=A)
    torch.nn.init.zeros_(made.query.weight)
    seen = cam + cam.mean((2, 3), keepdim=True)
    torch.testing.assert_close(made.refine(high, cam, everything)[:, 1:], seen)


def test_two_classes_are_enough() -> None:
    made = ClassHead(C, 2, attention_dim=A)
    assert made.refine(high, made.maps(high, torch.ones(B, 1)), everything).shape == (B, 2, H, W)
