"""python -m benchmarks.scaling: a model of what a step costs with many GPUs, and where spread pairs beat data parallel ones.

Bytes are counted (benchmarks/exchange.py compares them with a real run's); FLOPs are counted from the networks; times are a
MODEL of GPUs and networks that were not at hand. Change the assumptions below and run it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

# Assumptions. FLOP/s that a GPU sustains on dilated convolutions in bfloat16; bytes/s and seconds a message of a network.
GPU = 250e12
HIDDEN = 0.8  # share of the backward pass behind which the gradients' all-reduce can hide
PASSES = {"student forward": 1, "student backward": 2, "teacher forward": 1}  # in forward passes
NETWORKS = {"NVLink": (400e9, 30e-6), "100 GbE": (10.5e9, 100e-6), "25 GbE": (2.7e9, 150e-6), "10 GbE": (1.1e9, 200e-6)}
MESSAGES = 4  # of a step: teachers' labels, students' labels, query rows, bank rows
LOW = 0.15  # share of pixels that a low-level loss compares, where no max_queries fixes their number


@dataclass(frozen=True)
class Setting:
    """One training step. Images are those of the whole batch, labelled and unlabelled each; flops: one forward pass of one
    image; h, w: of the logits and features."""

    name: str
    images: int
    crop: tuple[int, int]
    small: tuple[int, int]
    classes: int
    flops: float
    parameters: float
    dim: int = 256
    take: int = 8
    pairs: int = 2
    max_queries: int | None = None
    feature_bytes: int = 4  # Accelerate's forward pass hands out float32, in bfloat16 training too


# FLOPs of a forward pass of one image (a multiply-add is two) and parameters, counted on the project's networks.
SETTINGS = [
    Setting("VOC, DeepLabV2 R101, 321², 10+10", 10, (321, 321), (41, 41), 21, 150.6e9, 44.1e6),
    Setting("VOC, DeepLabV3+ R101, 321², 10+10", 10, (321, 321), (81, 81), 21, 74.5e9, 59.3e6),
    Setting("Cityscapes, DeepLabV2 R101, 256x512, 2+2", 2, (256, 512), (32, 64), 19, 183.0e9, 43.9e6),
]


def exchanged(setting: Setting, images: int) -> dict[str, int]:
    """Bytes that one worker hands over in a step to the others of its peer group; images: its share of the unlabelled ones."""
    height, width = setting.crop
    h, w = setting.small
    pixels = images * h * w
    rows = min(setting.max_queries or round(LOW * pixels), pixels)
    return {
        "teacher's labels, confidences": 3 * images * height * width,
        "student's labels, confidences": 3 * pixels,
        "query rows": rows * setting.dim * setting.feature_bytes * (setting.pairs - 1),
        "bank rows": setting.classes * setting.take * (setting.dim + 1) * 4,
    }


def gradients(setting: Setting) -> int:
    """Bytes of one student's gradients, float32."""
    return int(4 * setting.parameters)


def together(setting: Setting, gpus: int, network: str) -> float:
    """Seconds a step: every GPU has all pairs and a share of the images; all students' gradients are averaged over all GPUs."""
    pair = _pair(setting, setting.images / gpus)
    return setting.pairs * (pair + _exposed(setting, pair, gpus, network))


def spread(setting: Setting, gpus: int, network: str) -> float:
    """Seconds a step: a pair a GPU; gradients are averaged over the GPUs of a pair, labels exchanged between pairs."""
    shares = gpus // setting.pairs
    pair = _pair(setting, setting.images / shares)
    parts = exchanged(setting, -(-setting.images // shares))
    rows = parts.pop("query rows")  # others of them for each peer; the rest is the same for all
    rate, latency = NETWORKS[network]
    exchange = (rows + (setting.pairs - 1) * sum(parts.values())) / rate + MESSAGES * latency
    return pair + _exposed(setting, pair, shares, network) + exchange


def _pair(setting: Setting, images: float) -> float:
    """Of one pair, on labelled and unlabelled images."""
    return sum(PASSES.values()) * 2 * images * setting.flops / GPU


def _exposed(setting: Setting, pair: float, gpus: int, network: str) -> float:
    """What a ring all-reduce of one student's gradients adds to its step."""
    if gpus == 1:
        return 0.0
    rate, latency = NETWORKS[network]
    reduce = 2 * (gpus - 1) / gpus * gradients(setting) / rate + latency
    backward = pair * PASSES["student backward"] / sum(PASSES.values())
    return max(0.0, reduce - HIDDEN * backward)


def _fits(setting: Setting, gpus: int, alone: float, network: str) -> str:
    """Data parallel needs an image for every GPU."""
    return f"{alone / together(setting, gpus, network):.2f}" if gpus <= setting.images else "-"


def main() -> None:
    print("bytes a worker hands over in a step, two pairs on two workers, beside one student's gradients (float32)\n")
    print("| setting | " + " | ".join(exchanged(SETTINGS[0], 1)) + " | all | gradients |\n|---" + "|---" * 6 + "|")
    for setting in SETTINGS:
        for case in (setting, replace(setting, name="the same, max_queries 2048", max_queries=2048)):
            parts = exchanged(case, case.images)
            cells = [f"{value / 1e6:.2f} MB" for value in (*parts.values(), sum(parts.values()))]
            print(f"| {case.name} | {' | '.join(cells)} | {gradients(case) / 1e6:.0f} MB |")
    print("\nMODEL: speed against one GPU with all pairs, spread / together\n")
    for pairs in (2, 3):
        print(f"| {pairs} pairs | GPUs | {' | '.join(NETWORKS)} |\n|---|---" + "|---" * len(NETWORKS) + "|")
        for setting in (replace(setting, pairs=pairs) for setting in SETTINGS):
            for gpus in (pairs, 2 * pairs, 4 * pairs):
                alone = together(setting, 1, "NVLink")
                cells = [f"{alone / spread(setting, gpus, n):.2f} / {_fits(setting, gpus, alone, n)}" for n in NETWORKS]
                if gpus // pairs <= setting.images:
                    print(f"| {setting.name} | {gpus} | {' | '.join(cells)} |")
        print()


if __name__ == "__main__":
    main()
