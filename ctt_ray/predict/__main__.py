"""python -m ctt_ray.predict: masks and overlays of images, by one network of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro
from pydantic import Field

from ctt_ray import cli
from ctt_ray.checkpoints import Which, find
from ctt_ray.config import ConfigError, Frozen
from ctt_ray.console import say
from ctt_ray.predict.inputs import gather
from data_prep.schema import DataError, load_manifest

DESCRIPTION = """Segment images. OUT/masks/NAME.png holds train ids (with the classes' colours as its palette, for viewers),
OUT/overlays/NAME.png the image under those colours, OUT/classes.csv what the ids mean. Folders inside INPUT are kept.

An image is read as RGB, upright (EXIF), with transparency dropped; of 16 bits the upper 8 count. An image that cannot be
read is named and left out, and the exit code is then 3.

examples
  python -m ctt_ray.predict runs/run photo.jpg --out out
  python -m ctt_ray.predict runs/run photos --out out --network t0 --overlay-alpha 0.7
  python -m ctt_ray.predict runs/run 'drive/**/*.png' --out out --mode slide --which best"""


class PredictArgs(Frozen):
    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """A run's folder, one of its checkpoints, or a campaign's trial."""
    input: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="INPUT")]
    """An image, a folder (jpg and png at any depth), or a pattern in quotes."""
    out: Path
    """Folder for masks and overlays."""
    network: str = ""
    """Which network, or ensemble; default: the best student by the run's own scores."""
    mode: Literal["whole", "slide", "half"] | None = None
    """Whole image, sliding window of the crop's size, or at half size; default: the run's own."""
    short_side: int | None = Field(None, ge=16)
    """Shrink larger images to this for the network, as `data_prep --short-side` did for training; masks come at full size."""
    overlay_alpha: float = Field(0.5, ge=0, le=1)
    """Opacity of the colours on the overlay."""
    which: Which = "last"
    """Of the run's checkpoints: the newest, or the best by miou."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the result as JSON."""


def main(argv: Sequence[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    return cli.guarded(lambda: _main(argv))


def _main(argv: Sequence[str]) -> int:
    args = cli.parse(PredictArgs, argv, prog="python -m ctt_ray.predict", description=DESCRIPTION)
    find(args.run, args.which)  # a wrong folder or input is told before torch is loaded
    if args.out.exists() and not args.out.is_dir():
        raise ConfigError(f"--out {args.out} is a file; name a folder")
    found = gather(args.input, out=args.out)
    if found.left_out:
        say(
            f"{found.left_out} files of {args.input} are neither jpg nor png and are left out; a pattern would take them"
        )
    from ctt_ray.predict.predictor import Predictor
    from ctt_ray.restored import open_run

    checkpoint = open_run(args.run, args.which)
    _say_trained_smaller(args, checkpoint.config.data)
    predictor = Predictor(
        checkpoint,
        network=args.network or checkpoint.best_student,
        mode=args.mode or checkpoint.config.report.eval_mode,
        short_side=args.short_side,
    )
    failed = predictor.write(found.jobs, args.out, alpha=args.overlay_alpha)
    _show(args, predictor.network, str(checkpoint.folder), len(found.jobs), failed)
    return cli.DATA if failed else cli.DONE


def _say_trained_smaller(args: PredictArgs, data: str) -> None:
    """A network knows objects at the size of its training images; said where the training data are at hand."""
    try:
        short_side = load_manifest(data, wait=False).options.get("short_side")
    except DataError:
        return
    if short_side and args.short_side is None:
        say(f"trained on images shrunk to {short_side}: for images of full size add --short-side {short_side}")


def _show(args: PredictArgs, network: str, checkpoint: str, images: int, failed: dict[str, str]) -> None:
    if args.as_json:
        facts = {"out": str(args.out), "checkpoint": checkpoint, "network": network, "written": images - len(failed)}
        print(json.dumps({**facts, "failed": failed}, indent=1))
        return
    print(f"{images - len(failed)} of {images} images by {network} of {checkpoint}")
    print(f"masks      {args.out / 'masks'}\noverlays   {args.out / 'overlays'}\nclasses    {args.out / 'classes.csv'}")
    if failed:
        say(f"{len(failed)} of {images} images failed:")
    for file, reason in failed.items():
        say(f"  {file}: {reason}")


if __name__ == "__main__":
    sys.exit(main())
