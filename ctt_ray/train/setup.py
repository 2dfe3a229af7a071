"""Stream, accelerator and engine of a run, from its configuration. Imports torch through them and no Ray."""

from __future__ import annotations

from ctt_ray.config import ConfigError, RunConfig
from ctt_ray.engine import Engine
from ctt_ray.engine.accelerator import make_accelerator
from ctt_ray.engine.evaluation import Image, evaluate
from ctt_ray.engine.networks import build_students
from ctt_ray.engine.world import World
from ctt_ray.maths import losses, metrics
from ctt_ray.placement import Layout
from ctt_ray.plan import Plan
from ctt_ray.stream import EvalSet, SegStream
from ctt_ray.train.steps import Heard
from data_prep.parts import parse

CLASS_WEIGHT_RANGE = (0.1, 10.0)  # a class in a handful of pixels must not drown the rest


def open_stream(config: RunConfig, plan: Plan, *, rank: int = 0, world: int = 1) -> SegStream:
    """The training stream. Raises ConfigError for settings that cannot be, DataError for data that cannot be read."""
    if not config.data:
        raise ConfigError(
            "no data set named; give --data FOLDER (a folder made by `python -m data_prep`, or a URL of its copy in a store)"
        )
    scored = parse(config.report.eval_split)
    try:
        return SegStream(
            config.data,
            labelled=config.labelled,
            crop=config.stream.crop,
            scale=config.stream.scale,
            flip=config.stream.flip,
            rotation=config.stream.rotation,
            batch_labelled=config.stream.batch_labelled,
            batch_unlabelled=config.stream.batch_unlabelled if plan.routes or plan.terms else 0,
            seed=config.seed,
            rank=rank,
            world=world,
            loaders=config.stream.loaders,
            labelled_as_unlabelled=config.stream.labelled_as_unlabelled,
            held_out=scored if scored.of_labelled else None,
        )
    except ValueError as error:  # a batch smaller than the world, a crop that cannot be
        raise ConfigError(str(error)) from None


def check(config: RunConfig, plan: Plan) -> None:
    """Open the data and build the networks once, to find mistakes before a cluster starts. Raises ConfigError or DataError."""
    stream = open_stream(config, plan)
    EvalSet(config.data, config.report.eval_split, labelled=config.labelled)
    build_students(plan, config.net, classes=len(stream.manifest.classes), seed=config.seed)


def build(config: RunConfig, plan: Plan, where: Layout, *, rank: int) -> tuple[SegStream, Engine]:
    """Raises ConfigError or DataError for what cannot be trained."""
    accelerator = make_accelerator(config.precision, world=where.world)
    stream = open_stream(config, plan, rank=where.share(rank), world=where.shares)
    weight_K = None
    if config.optim.class_weight_power > 0:
        low, high = CLASS_WEIGHT_RANGE
        weight_K = losses.class_weights(
            stream.labelled_pixels_K, power=config.optim.class_weight_power, low=low, high=high
        )
    engine = Engine(
        plan,
        config,
        accelerator,
        classes=len(stream.manifest.classes),
        labelled_images=stream.labelled_count,
        class_weight_K=weight_K,
        world=World(where, rank),
    )
    if rank == 0:
        _warn_of_missing_classes(plan, stream)
    return stream, engine


def _warn_of_missing_classes(plan: Plan, stream: SegStream) -> None:
    """A class that no labelled image shows never fills its queue, so the full gate would stay shut for the whole run."""
    from ctt_ray.train.loop import warn

    missing = [
        name
        for name, count in zip(stream.manifest.classes, stream.labelled_images_per_class, strict=True)
        if count == 0
    ]
    if plan.banks and missing and plan.bank_gate == "all_full":
        warn(
            f"no labelled image shows {', '.join(missing)}: the memory bank never fills and the contrastive losses never start. "
            "Use a split that covers every class, or --bank-gate present_classes."
        )


def score(
    engine: Engine, config: RunConfig, *, limit: int | None, heard: Heard[Image] = iter, content_hash: str = ""
) -> dict[str, float]:
    """mIoU in per cent of students, teachers and, with several students, of the students' mean probability.

    heard: passes the images on, and may end them early: the scores are then worth nothing. content_hash: of the data set that
    the run trains on, which must not change under it.
    """
    data = engine.world.data
    images = EvalSet(
        config.data,
        config.report.eval_split,
        limit=limit,
        rank=data.index,
        world=data.size,
        labelled=config.labelled,
        content_hash=content_hash,
    )
    with engine.accelerator.autocast():
        matrices = evaluate(
            engine.networks,
            heard(images),
            classes=engine.classes,
            device=engine.accelerator.device,
            mode=config.report.eval_mode,
            window=config.stream.crop,
            ensemble=engine.plan.learn_from_labels if len(engine.plan.learn_from_labels) > 1 else (),
            world=engine.world,
        )
    return {name: 100 * float(metrics.mean_iou(matrix)) for name, matrix in matrices.items()}
