"""The remedy works in a fresh process and in one spawned by it, and leaves an imported torchvision alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[3]
SCRIPT = """
import multiprocessing
import sys

def load():
    from ctt_ray.nets.torchvision_compat import torchvision
    return torchvision.models.resnet18(width_per_group=64).conv1.out_channels

def child(queue):
    queue.put(("torchvision" in sys.modules, load()))

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    print(load(), *queue.get(timeout=100))
    process.join()
"""


def test_imports_in_a_fresh_process_and_in_a_spawned_one(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, env=env)
    assert done.stdout.split() == ["64", "False", "64"], done.stderr


def test_declares_nothing_once_torchvision_is_imported() -> None:
    from ctt_ray.nets import torchvision_compat as compat

    assert compat._declare_operators() is None


def test_declares_only_where_the_operators_do_not_load() -> None:
    from ctt_ray.nets import torchvision_compat as compat

    if compat._DECLARED is None:
        pytest.skip("torchvision's operators load beside this torch: nothing is declared")
    assert not compat._operators_load()
    assert "Tensor dets" in str(torch.ops.torchvision.nms.default._schema)
