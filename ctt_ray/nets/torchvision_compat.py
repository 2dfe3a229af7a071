"""The one door to torchvision: `from ctt_ray.nets.torchvision_compat import torchvision`.

torchvision's public wheel is a CUDA build. Beside a CPU-only torch its compiled operators cannot load, and the import
then fails with "operator torchvision::nms does not exist", because Python code registers shapes for operators that
nobody has declared. Declaring the two schemas first makes the import work; the models need none of the operators.
Trying the import first and repairing afterwards is not safe: it leaves a half-registered library behind.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def _operators_load() -> bool:
    """Whether torchvision's compiled operators load beside this torch; they are registered by the attempt if so."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True  # nothing to repair: the import below says that torchvision is not installed
    libraries = sorted(Path(spec.origin).parent.glob("_C*.so")) + sorted(Path(spec.origin).parent.glob("_C*.pyd"))
    for library in libraries:
        try:
            torch.ops.load_library(str(library))
        except OSError:
            continue
        return True
    return False


def _declare_operators() -> torch.library.Library | None:
    """Declare the schemas the import of torchvision asks for; None where nothing has to be declared."""
    if "torchvision" in sys.modules or _operators_load() or hasattr(torch.ops.torchvision, "nms"):
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    return library


_DECLARED = _declare_operators()  # kept while the process lives: torch forgets the schemas of a freed library

torchvision = importlib.import_module("torchvision")
"""The torchvision package, imported."""
