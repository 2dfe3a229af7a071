"""python -m benchmarks.maths_cost: fused contrast against a loop over classes, the tensor bank against Python queues, gradients
of dilated depthwise convolutions against torch's."""

from __future__ import annotations

from collections import deque

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.timing import cpu_ms, show
from ctt_ray.maths import bank, contrast
from ctt_ray.nets.depthwise import DilatedDepthwise

# Rows, classes, slots, features: VOC crops of 321 at stride 8, a batch of 5, 70 % of the pixels sure (DeepLabV2).
ROWS, CLASSES, SLOTS, DIM = 5817, 21, 128, 256
TAU = 0.1
FUSED_AT_MOST = (
    1.05  # of the class loop's CPU time, forward and backward; measured 0.79 to 0.94; what it saves is memory
)
PUSH_AT_MOST = 0.8  # of lean Python queues, stacked for every loss; measured 0.57
DEPTHWISE_AT_MOST = 0.7  # of torch's, MobileNetV2's last stage on crops of 96² at output stride 16


def class_loop(feat_MD: Tensor, label_M: Tensor, bank_KND: Tensor) -> Tensor:
    """Equation (6) class by class with exp and log, as public code has it."""
    total = feat_MD.new_zeros(())
    present = label_M.unique()
    for k in present:
        rows = feat_MD[label_M == k]
        positive = torch.exp(rows @ bank_KND[k].T / TAU)
        others = torch.cat([bank_KND[:k], bank_KND[k + 1 :]]).flatten(0, 1)
        negative = torch.exp(rows @ others.T / TAU).sum(1, keepdim=True)
        total = total - torch.log(positive / (positive + negative)).mean()
    return total / len(present)


def contrast_cost() -> None:
    generator = torch.Generator().manual_seed(0)
    feat = F.normalize(torch.randn(ROWS, DIM, generator=generator), dim=1).requires_grad_()
    label = torch.randint(0, CLASSES, (ROWS,), generator=generator)
    queue = F.normalize(torch.randn(CLASSES, SLOTS, DIM, generator=generator), dim=2)
    weight = contrast.row_weights(
        label, torch.ones(ROWS), contrast.class_counts(label, torch.ones(ROWS), CLASSES), reduction="class"
    )

    def backward(loss: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(loss, feat)
        return gradient

    def fused() -> Tensor:
        return backward(contrast.contrast_high(feat, label, weight, queue, tau=TAU))

    def loop() -> Tensor:
        return backward(class_loop(feat, label, queue))

    torch.testing.assert_close(fused(), loop(), rtol=1e-3, atol=1e-7)
    spent = cpu_ms({"class loop": loop, "fused": fused}, repeats=5)
    show(f"high-level contrast, {ROWS} rows x {CLASSES * SLOTS} bank rows, D {DIM}", spent, reference="class loop")
    assert spent["fused"] <= FUSED_AT_MOST * spent["class loop"], "the fused loss is no longer worth its code"


def push_cost() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = F.normalize(torch.randn(10 * 41 * 41, DIM, generator=generator), dim=1)
    label = torch.randint(0, CLASSES, (len(rows),), generator=generator)
    score = torch.rand(len(rows), generator=generator)
    tensor_bank = bank.ClassBank(CLASSES, SLOTS, DIM)
    queues = [deque(maxlen=SLOTS) for _ in range(CLASSES)]  # type: ignore[var-annotated]

    def tensor() -> Tensor:
        tensor_bank.push(*bank.select(rows, label, score, 16, CLASSES))
        return tensor_bank.rows_KND

    def python() -> Tensor:
        for k in range(CLASSES):
            mine = (label == k).nonzero().squeeze(1)
            best = mine[score[mine].argsort(descending=True)[:16]]
            queues[k].extend(row.clone() for row in rows[best])
        return torch.stack([row for queue in queues for row in queue])

    spent = cpu_ms({"class loop": python, "one tensor": tensor}, repeats=9)
    show("bank: push and read, 10 images at 41 x 41", spent, reference="class loop")
    assert spent["one tensor"] <= PUSH_AT_MOST * spent["class loop"], (
        "the bank as one tensor is no longer worth its code"
    )


def depthwise_cost() -> None:
    plain = torch.nn.Conv2d(960, 960, 3, padding=2, dilation=2, groups=960, bias=False)
    ours = DilatedDepthwise.of(plain, 2)
    images = torch.randn(4, 960, 6, 6).to(memory_format=torch.channels_last).requires_grad_()

    def step(layer: torch.nn.Module) -> None:
        layer(images).sum().backward()

    spent = cpu_ms({"torch": lambda: step(plain), "ours": lambda: step(ours)}, repeats=15)
    show("dilated depthwise convolution, forward and backward, 4 x 960 x 6 x 6", spent, reference="torch")
    assert spent["ours"] <= DEPTHWISE_AT_MOST * spent["torch"], "torch has caught up: nn.Conv2d would do"


def main() -> None:
    torch.set_num_threads(1)
    contrast_cost()
    push_cost()
    depthwise_cost()


if __name__ == "__main__":
    main()
