"""python -m ctt_ray.report: one self-contained HTML page about a campaign or a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from ctt_ray import cli
from ctt_ray.config import ConfigError, Frozen
from ctt_ray.report import missing

DESCRIPTION = """Write one HTML page with figures inside it: no network, no cluster, readable when printed.

examples
  python -m ctt_ray.report campaigns/voc1
  python -m ctt_ray.report voc1 --out voc1.html --png
  python -m ctt_ray.report runs/ctt"""


class ReportArgs(Frozen):
    what: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="CAMPAIGN_OR_RUN")]
    """Folder of a campaign or of a run, or a campaign's name in the storage."""
    out: Path | None = None
    """The page's file; default: report.html in that folder."""
    storage: Path = Path("campaigns")
    """Folder that campaigns are kept in."""
    png: bool = False
    """Write the figures beside the page too, as PNG."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the paths as JSON."""


def main(argv: Sequence[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    return cli.guarded(lambda: _main(argv))


def _main(argv: Sequence[str]) -> int:
    args = cli.parse(ReportArgs, argv, prog="python -m ctt_ray.report", description=DESCRIPTION)
    if lacking := missing():
        raise cli.ClusterError(
            f"not installed: {', '.join(lacking)}; pip install 'ctt-ray[report]' brings what a report needs"
        )
    written = _write(args)
    if args.as_json:
        print(json.dumps({"page": str(written[0]), "figures": [str(path) for path in written[1:]]}))
    else:
        print("\n".join(map(str, written)))
    return cli.DONE


def _write(args: ReportArgs) -> list[Path]:
    from ctt_ray.tune.opened import find

    try:
        folder, settings = find(args.what, args.storage)
    except ConfigError as error:
        from ctt_ray.report import run

        if not run.is_run(Path(args.what)):
            raise ConfigError(f"{error}; nor is it the folder of a run (no result.jsonl with a report)") from None
        return run.write(Path(args.what), args.out, png=args.png)
    from ctt_ray.report import page

    return page.write(folder, settings, args.out, png=args.png)


if __name__ == "__main__":
    sys.exit(main())
