"""python -m ctt_ray.evaluate: score every network of a run on a split."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ctt_ray import cli
from ctt_ray.checkpoints import Which, find
from ctt_ray.config import ConfigError, Frozen

if TYPE_CHECKING:
    from ctt_ray.evaluate.result import Result

DESCRIPTION = """Score students, teachers and the students' ensemble: mIoU, pixel accuracy and IoU of every class.

examples
  python -m ctt_ray.evaluate runs/run
  python -m ctt_ray.evaluate runs/run --which best --split val --json
  python -m ctt_ray.evaluate campaigns/voc1/trials/0007 --networks s0,t0 --mode slide
  python -m ctt_ray.evaluate runs/run/checkpoints/00000400 --data data/other"""


class EvaluateArgs(Frozen):
    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """A run's folder, one of its checkpoints, or a campaign's trial."""
    split: str = ""
    """Of the data set, or a part such as val:0/2 or labelled:0/4; default: the one the run evaluates on."""
    data: str = ""
    """Prepared data set, a folder or a URL, with the same classes; default: the run's own."""
    networks: str = ""
    """Names with commas between, such as s0,t0 or ensemble; default: all."""
    mode: Literal["whole", "slide", "half"] | None = None
    """Whole image, sliding window of the crop's size, or image and label at half size; default: the run's own."""
    which: Which = "last"
    """Of the run's checkpoints: the newest, or the best by miou."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the result as JSON."""


def main(argv: Sequence[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    return cli.guarded(lambda: _main(argv))


def _main(argv: Sequence[str]) -> int:
    args = cli.parse(EvaluateArgs, argv, prog="python -m ctt_ray.evaluate", description=DESCRIPTION)
    result = _evaluated(args)
    print(json.dumps(result.to_dict(), indent=1) if args.as_json else "\n".join(result.lines()))
    return cli.DONE


def _evaluated(args: EvaluateArgs) -> Result:
    find(args.run, args.which)  # a wrong folder is told before torch is loaded
    from ctt_ray.evaluate.scores import evaluated
    from ctt_ray.restored import open_run

    checkpoint = open_run(args.run, args.which)
    report = checkpoint.config.report
    return evaluated(
        checkpoint,
        data=args.data or checkpoint.config.data,
        split=args.split or report.eval_split,
        mode=args.mode or report.eval_mode,
        names=names(args.networks),
    )


def names(text: str) -> tuple[str, ...]:
    """'s0,t0' → ('s0', 't0'), each once; nothing for all. Raises ConfigError for commas alone."""
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if text and not found:
        raise ConfigError(f"--networks '{text}' names no network; write for example --networks s0,t0")
    return found


if __name__ == "__main__":
    sys.exit(main())
