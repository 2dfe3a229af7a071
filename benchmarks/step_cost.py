"""python -m benchmarks.step_cost: CPU time of one step of each method, and of CTT with its parts switched off."""

from __future__ import annotations

import torch

from benchmarks.timing import cpu_ms, show
from ctt_ray import methods
from ctt_ray.batch import Batch, Samples
from ctt_ray.config import RunConfig, with_values
from ctt_ray.engine import Engine
from ctt_ray.engine.accelerator import make_accelerator

CLASSES, CROP, IMAGES = 11, 128, 4
VALUES = {"backbone": "mobilenet_v2", "feature_dim": 64, "crop": (CROP, CROP), "n_q": 16, "mixer": "cutmix"}
CASES = {
    "supervised": ("supervised", {}),
    "mean teacher": ("mean_teacher", {}),
    "ctt, no contrast": ("ctt", {"lambda_hc": 0.0, "lambda_lc": 0.0}),
    "ctt": ("ctt", {}),
    "ctt, 512 queries": ("ctt", {"max_queries": 512}),
    "ctt, joint forward": ("ctt", {"joint_forward": True}),
    "ctt, three pairs": ("ctt", {"pairs": 3}),
}
CONTRAST_AT_MOST = 2.0  # of the step without it: both losses, the banks and their teacher pass


def samples(seed: int, crop: int = CROP) -> Samples:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (IMAGES, 3, crop, crop), generator=generator, dtype=torch.uint8)
    label = torch.randint(0, CLASSES, (IMAGES, crop // 16, crop // 16), generator=generator, dtype=torch.uint8)
    label = label.repeat_interleave(16, 1).repeat_interleave(16, 2)
    return Samples(image, label, torch.arange(IMAGES), torch.arange(IMAGES))


def engine_of(method: str, changes: dict[str, object]) -> Engine:
    config = with_values(RunConfig(method=method), {**VALUES, **changes})
    plan = methods.build(method, config.params.model_dump())
    engine = Engine(plan, config, make_accelerator("no", world=1), classes=CLASSES, labelled_images=100)
    for queue in engine.banks.by_teacher.values():
        classes, slots, dim = queue.rows_KND.shape
        queue.push(
            torch.nn.functional.normalize(torch.randn(classes, slots, dim), dim=2), torch.ones(classes, slots) > 0
        )
    engine.banks.push({}, 0)  # opens the gate
    return engine


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    batch = Batch(samples(0), samples(1))
    engines = {name: engine_of(method, changes) for name, (method, changes) in CASES.items()}
    steps = {name: (lambda engine=engine: engine.step(batch)) for name, engine in engines.items()}
    spent = cpu_ms(steps, repeats=5)
    title = f"one step: MobileNetV2, DeepLabV3+ (D 64), {IMAGES}+{IMAGES} crops of {CROP}², {CLASSES} classes, fp32"
    show(title, spent, reference="supervised")
    assert spent["ctt"] <= CONTRAST_AT_MOST * spent["ctt, no contrast"], "the contrastive losses cost too much"


if __name__ == "__main__":
    main()
