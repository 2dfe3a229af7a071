"""Decoders that see perturbed features and have to say what the main decoder says of the clean ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctt_ray.maths import perturb, vat
from ctt_ray.nets.blocks import init_head

PERTURBATIONS = ("vat", "drop", "cutout", "context", "object", "feature_drop", "feature_noise")


class AuxiliaryDecoders(nn.Module):
    """`copies` decoders for each perturbation of CCT (arXiv 2003.09005): feat (B, D, h, w) to a list of logits (B, K, h, w).

    A decoder: 1x1 convolution to D/2, ReLU, 1x1 to K, at the features' own size. Perturbations, in the order of PERTURBATIONS:
    adversarial noise of length `eps` · spatial dropout of `drop` · a box of `erase` of each object cut
    out · objects alone · all but objects · the most active places dropped, from 0.6-0.9 of the maximum on · noise factors in
    1 ± `noise`. An object is what the main decoder calls any class but 0, the background."""

    def __init__(
        self,
        feature_dim: int,
        classes: int,
        *,
        copies: int = 1,
        drop: float = 0.5,
        erase: float = 0.4,
        noise: float = 0.3,
        eps: float = 2.0,
    ) -> None:
        super().__init__()
        self.classes, self.drop, self.erase, self.noise, self.eps = classes, drop, erase, noise, eps
        self.decoders = nn.ModuleDict(
            {name: nn.ModuleList(_decoder(feature_dim, classes) for _ in range(copies)) for name in PERTURBATIONS}
        )

    def forward(self, feat_BDhw: Tensor, label_Bhw: Tensor, generator: torch.Generator) -> list[Tensor]:
        """label_Bhw: the main decoder's own classes.   generator: of every random draw; the decoders see different ones."""
        return [
            decoder(self._perturbed(name, feat_BDhw, label_Bhw, decoder, generator))
            for name, decoders in self.decoders.items()
            for decoder in decoders  # type: ignore[attr-defined]
        ]

    def _perturbed(
        self, name: str, feat_BDhw: Tensor, label_Bhw: Tensor, decoder: nn.Module, generator: torch.Generator
    ) -> Tensor:
        object_B1hw = (label_Bhw > 0)[:, None]
        match name:
            case "vat":
                return feat_BDhw + self._adversarial(feat_BDhw.detach(), decoder, generator)
            case "drop":
                return perturb.drop_channels(feat_BDhw, share=self.drop, generator=generator)
            case "cutout":
                keep_Bhw = perturb.guided_cutout(label_Bhw, classes=self.classes, erase=self.erase, generator=generator)
                return feat_BDhw * keep_Bhw[:, None]
            case "context":
                return feat_BDhw * object_B1hw
            case "object":
                return feat_BDhw * ~object_B1hw
            case "feature_drop":
                return perturb.drop_active(feat_BDhw, low=0.6, high=0.9, generator=generator)
            case _:
                return perturb.noise(feat_BDhw, limit=self.noise, generator=generator)

    def _adversarial(self, feat_BDhw: Tensor, decoder: nn.Module, generator: torch.Generator) -> Tensor:
        probs_BKhw = decoder(feat_BDhw).softmax(1)
        everywhere_Bhw = torch.ones_like(feat_BDhw[:, 0], dtype=torch.bool)
        radius_B = feat_BDhw.new_full((len(feat_BDhw),), self.eps)
        return vat.perturbation(decoder, feat_BDhw, probs_BKhw, everywhere_Bhw, radius_B, generator)


def _decoder(feature_dim: int, classes: int) -> nn.Sequential:
    hidden = max(8, feature_dim // 2)
    decoder = nn.Sequential(nn.Conv2d(feature_dim, hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(hidden, classes, 1))
    init_head(decoder)
    return decoder
