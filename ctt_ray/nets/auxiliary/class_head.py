"""Which classes are in an image, and where: an image-level classifier and its attention-refined activation maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ctt_ray.nets.blocks import init_head


class ClassHead(nn.Module):
    """Classifier on the mean feature, class activation maps, and self-attention over places: PseudoSeg (arXiv 2010.09713).

    high (B, C, h, w) is the backbone's last map. Class 0 is the background: it has no image-level score, and gets what the
    others leave. With a linear classifier on the mean, Grad-CAM is the classifier's weights applied at each place."""

    def __init__(self, high_channels: int, classes: int, *, attention_dim: int = 128) -> None:
        super().__init__()
        self.classifier = nn.Linear(high_channels, classes - 1)
        self.query = nn.Conv2d(high_channels, attention_dim, 1, bias=False)
        self.key = nn.Conv2d(high_channels, attention_dim, 1, bias=False)
        self.normalise = nn.Conv2d(classes, classes, 1)
        init_head(self)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)
        nn.init.dirac_(self.normalise.weight)

    def scores(self, high_BChw: Tensor) -> Tensor:
        """(B, K-1) logits of the classes 1..K-1 being in the image."""
        # A pooling kernel: its gradient has the memory layout of its input, so that adding it leaves the layout, and with it
        # the rounding, of every layer below as it was.
        return self.classifier(F.avg_pool2d(high_BChw, high_BChw.shape[2:]).flatten(1))

    def maps(self, high_BChw: Tensor, present_BK: Tensor) -> Tensor:
        """cam (B, K-1, h, w) in [0, 1]: relu of the class's weights at each place, 1 at the largest; 0 for absent classes.

        present_BK: (B, K-1), bool or 0/1. No gradient."""
        with torch.no_grad():
            cam = F.relu(torch.einsum("kc,bchw->bkhw", self.classifier.weight, high_BChw.to(self.classifier.weight)))
            cam = cam * present_BK[:, :, None, None]
            return cam / cam.amax((2, 3), keepdim=True).clamp(min=1e-5)

    def refine(self, high_BChw: Tensor, cam_BKhw: Tensor, valid_Bhw: Tensor) -> Tensor:
        """Logits (B, K, h, w): maps averaged over the places alike, added to themselves, background 2 - max, 1x1 convolution.

        valid_Bhw: bool; other places are not attended to. Gradients reach this head's parameters only."""
        fixed_BChw, (height, width) = high_BChw.detach(), high_BChw.shape[2:]
        query_B1MA, key_B1MA, value_B1MK = (
            map_.flatten(2).transpose(1, 2)[:, None]
            for map_ in (self.query(fixed_BChw), self.key(fixed_BChw), cam_BKhw.to(self.query.weight.dtype))
        )
        # Finite: an image of nothing but padding attends evenly where -inf would give NaN.
        bias_B11M = torch.where(valid_Bhw.flatten(1), 0.0, -1e9)[:, None, None].to(query_B1MA)
        bias_B1MM = bias_B11M.expand(-1, -1, query_B1MA.shape[2], -1)
        seen_B1MK = F.scaled_dot_product_attention(query_B1MA, key_B1MA, value_B1MK.to(query_B1MA), attn_mask=bias_B1MM)
        seen_BKhw = seen_B1MK[:, 0].transpose(1, 2).unflatten(2, (height, width)) + cam_BKhw
        background_B1hw = 2 - seen_BKhw.amax(1, keepdim=True)
        return self.normalise(torch.cat([background_B1hw, seen_BKhw], 1))
