"""ctt-ray VERB = python -m ctt_ray.VERB."""

from __future__ import annotations

import importlib
import sys

from ctt_ray.config import nearest

VERBS = {
    "train": "one run with Ray Train, or in this process",
    "tune": "a search campaign with Ray Tune and Optuna",
    "evaluate": "mIoU and the per-class table of a run's networks",
    "predict": "label images with a trained network",
    "report": "one HTML page about a campaign or a run",
    "doctor": "what is wrong with a machine, a folder or a cluster; cluster files from a profile",
}


def main() -> int:
    verb = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if verb in VERBS:
        code: int = importlib.import_module(f"ctt_ray.{verb}.__main__").main(sys.argv[2:])
        return code
    usage = "usage: ctt-ray VERB [options]\n\n" + "\n".join(f"  {name:<10}{about}" for name, about in VERBS.items())
    if verb in ("-h", "--help"):
        print(usage + "\n\nData sets are prepared with `python -m data_prep`.")
        return 0
    print(f"ctt-ray: unknown verb '{verb}'{nearest(verb, VERBS)}\n{usage}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
