"""PseudoSeg's two losses by hand."""

import torch
import torch.nn.functional as F
from tiny_views import LARGE, SMALL, B, C, K, Totals, label_map, outputs, step_view

from ctt_ray.engine.terms import TERMS
from ctt_ray.maths import labels
from ctt_ray.nets.auxiliary.class_head import ClassHead
from ctt_ray.plan import Term

maps_term = Term(name="class_maps", learner="s0", weight=1.0, aux="classes")
fused_term = Term(
    name="fused_labels", learner="s0", weight=1.0, aux="classes",
    options={"fusion": 0.25, "temperature": 0.5, "presence": 0.5},
)  # fmt: skip


def head() -> ClassHead:
    torch.manual_seed(0)
    made = ClassHead(C, K, attention_dim=4)
    torch.nn.init.normal_(made.classifier.weight)
    return made


def test_class_maps_are_presence_plus_pixel_cross_entropy() -> None:
    made, high, label = head(), outputs(1).high_BChw, label_map(3)
    label[0][label[0] == 2] = 0  # image 0 is without class 2
    view = step_view({"classes": made})
    view.label_BHW.copy_(label)
    present = torch.tensor([[(label[b] == k).any().item() for k in (1, 2)] for b in range(B)]).float()
    assert present.tolist() == [[1, 0], [1, 1]]
    presence = F.binary_cross_entropy_with_logits(made.scores(high), present)
    known = torch.ones(B, SMALL // 2, SMALL // 2, dtype=torch.bool)  # cell centres lie below the void rows
    scores = F.interpolate(made.refine(high, made.maps(high, present), known), (LARGE, LARGE), mode="bilinear")
    pixels = F.cross_entropy(scores, label.long(), ignore_index=labels.VOID)
    torch.testing.assert_close(TERMS["class_maps"](view, maps_term), presence + pixels)


def test_class_maps_of_two_workers_add_up() -> None:
    whole = Totals()
    value = TERMS["class_maps"](step_view({"classes": head()}, data=whole), maps_term)
    parts = [
        TERMS["class_maps"](step_view({"classes": head()}, images=part, data=Totals(whole.said, size=2)), maps_term)
        for part in (slice(0, 1), slice(1, 2))
    ]
    torch.testing.assert_close(sum(parts), value)


def test_fused_labels_are_learnt_on_the_strong_view() -> None:
    made, weak, strong = head(), outputs(5), outputs(2)
    view = step_view({"classes": made}, weak=weak)
    inside = torch.ones(B, SMALL, SMALL)
    inside[:, 0] = 0
    high = weak.high_BChw
    present = made.scores(high).sigmoid() >= 0.5
    cam = made.refine(high, made.maps(high, present), torch.ones(B, 2, 2, dtype=torch.bool))
    cam = F.interpolate(cam, (SMALL, SMALL), mode="bilinear")
    scores = torch.cat([weak.logits_BKhw, cam])
    unit = scores / ((scores.square() * torch.cat([inside, inside])[:, None]).sum() / (2 * K * inside.sum())).sqrt()
    fused = 0.25 * F.softmax(unit[:B], 1) + 0.75 * F.softmax(unit[B:], 1)
    sharp = fused**2 / (fused**2).sum(1, keepdim=True)
    loss = -(sharp * F.log_softmax(strong.logits_BKhw, 1)).sum(1)
    value = TERMS["fused_labels"](view, fused_term)
    torch.testing.assert_close(value, (loss * inside).sum() / inside.sum(), rtol=1e-4, atol=1e-5)
    value.backward()  # labels are made without gradient
    assert all(p.grad is None for p in made.parameters()) and all(part.grad is None for part in weak)
