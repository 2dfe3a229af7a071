"""From a checkpoint and a split to a Result."""

from __future__ import annotations

from ctt_ray.console import counted, say
from ctt_ray.engine.evaluation import ENSEMBLE, Mode, evaluate
from ctt_ray.evaluate.result import Result
from ctt_ray.restored import Checkpoint, autocast, device, restore
from ctt_ray.stream import EvalSet
from data_prep.parts import parse
from data_prep.schema import MANIFEST, DataError, Manifest, load_manifest
from data_prep.store.place import as_folder, is_url


def evaluated(checkpoint: Checkpoint, *, data: str, split: str, mode: Mode, names: tuple[str, ...] = ()) -> Result:
    """Score the networks called `names` (none: all that are offered) over every image with a mask of a split, or of a part of it.

    Raises ConfigError for unknown networks, DataError for a data set that is missing, damaged or of other classes."""
    names = names or checkpoint.offered
    checkpoint.check_offered(names)
    manifest = _manifest(checkpoint, data)
    images = EvalSet(data, split, labelled=checkpoint.config.labelled)
    where = device()
    if parse(split).of_labelled and split != checkpoint.config.report.eval_split:
        say(f"warning: {split} is a part of the labelled images, and this run may have been trained on it")
    members = tuple(dict.fromkeys(member for name in names for member in checkpoint.members(name)))
    say(
        f"{checkpoint.folder}, iteration {checkpoint.iteration}: {', '.join(names)} on {split} of {data} ({where.type})"
    )
    nets = restore(checkpoint, members, where)
    with autocast(checkpoint.config, where):
        matrices = evaluate(
            nets,
            counted(images, len(images), split),
            classes=len(checkpoint.classes),
            device=where,
            mode=mode,
            window=checkpoint.config.stream.crop,
            ensemble=checkpoint.plan.learn_from_labels if ENSEMBLE in names else (),
        )
    return Result(
        checkpoint=checkpoint,
        data=data,
        content_hash=manifest.content_hash,
        split=split,
        mode=mode,
        images=len(images),
        matrices={name: matrices[name].cpu() for name in names},
    )


def _manifest(checkpoint: Checkpoint, data: str) -> Manifest:
    """The data set's manifest, if it has the checkpoint's classes in the checkpoint's order."""
    if not is_url(data) and not (as_folder(data) / MANIFEST).is_file():
        own = " (where the run was trained)" if data == checkpoint.config.data else ""
        raise DataError(f"no prepared data set at {data}{own}: no {MANIFEST} there. Name its folder with --data.")
    manifest = load_manifest(data)
    if manifest.classes != checkpoint.classes:
        raise DataError(
            f"other classes: {data} has {_listed(manifest.classes)}; {checkpoint.folder} was trained on "
            f"{_listed(checkpoint.classes)}. Their names and order must be the same."
        )
    return manifest


def _listed(classes: tuple[str, ...]) -> str:
    return f"{len(classes)} ({', '.join(classes)})"
