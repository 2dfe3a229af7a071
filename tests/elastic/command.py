"""python -m ctt_ray.train in one process, with a note of every step: python command.py NOTES [flags of ctt_ray.train]"""

from __future__ import annotations

import sys
from pathlib import Path

from elastic.notes import note_steps

from ctt_ray.train.__main__ import main

PAUSE_S = 0.05

if __name__ == "__main__":
    note_steps(Path(sys.argv[1]), rank=0, world=1, pause=PAUSE_S)
    sys.exit(main([*sys.argv[2:], "--workers", "0"]))
