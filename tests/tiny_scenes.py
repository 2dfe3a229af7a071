"""Prepared scenes of a few small images, and runs on them: through training, or saved as built for tests of readers."""

from pathlib import Path
from typing import Any

from tiny_runs import TINY

from ctt_ray import methods
from ctt_ray.config import RunConfig, with_values
from ctt_ray.engine import Engine
from ctt_ray.engine.accelerator import make_accelerator
from data_prep.options import WriteOptions
from data_prep.prepare import prepare
from data_prep.schema import load_manifest
from data_prep.sources.scenes import Scenes
from data_prep.splits import make_split


def make_scenes(folder: Path, *, size: int = 32, train: int = 8, val: int = 4) -> Path:
    """A data set with a labelled split `few` of half the training images."""
    prepare(Scenes(size=size, train=train, val=val).open(), WriteOptions(out=folder), lambda line: None)
    make_split(folder, str(train // 2), name="few")
    return folder


def save_checkpoint(place: Path, data: Path, *, iteration: int = 4, **values: Any) -> Engine:
    """An untrained engine's checkpoint at `place`. `metrics` among the values are the report that goes with it."""
    metrics = values.pop("metrics", {})
    manifest = load_manifest(data)
    config = with_values(RunConfig(data=str(data)), {**TINY, **values})
    plan = methods.build(config.method, config.params.model_dump())
    accelerator = make_accelerator(config.precision, world=1)
    engine = Engine(plan, config, accelerator, classes=len(manifest.classes), labelled_images=4)
    engine.iteration = iteration
    facts = {
        "content_hash": manifest.content_hash,
        "classes": list(manifest.classes),
        "palette": [list(colour) for colour in manifest.palette],
    }
    engine.save(place, {"metrics": {"iteration": iteration, **metrics}, "data": facts})
    return engine
