"""One network (or the students' mean) over many images; a bad image does not stop the others."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ctt_ray.cli import ClusterError
from ctt_ray.console import counted, say
from ctt_ray.engine.evaluation import Mode, probabilities
from ctt_ray.maths import labels
from ctt_ray.predict.inputs import Job
from ctt_ray.predict.pictures import BadImage, Pixels, index_png, overlay, read_rgb, shrunk
from ctt_ray.restored import Checkpoint, autocast, device, restore
from ctt_ray.train.session import Interrupted


class Predictor:
    """Raises ConfigError for a network that the checkpoint does not have."""

    def __init__(self, checkpoint: Checkpoint, *, network: str, mode: Mode, short_side: int | None = None) -> None:
        checkpoint.check_offered((network,))
        self.network, self.mode, self.short_side = network, mode, short_side
        self._checkpoint = checkpoint
        self._device = device()
        self._nets = list(restore(checkpoint, checkpoint.members(network), self._device).values())

    def label(self, image_HW3: Pixels) -> Pixels:
        """label_HW uint8 train ids at the size of the image. Raises BadImage for one that is too small or too large."""
        small = shrunk(image_HW3, self.short_side)
        if self.mode == "half" and min(small.shape[:2]) < 2:
            raise BadImage(f"{small.shape[0]}x{small.shape[1]} pixels have no half size; use --mode whole")
        image_13HW = torch.from_numpy(small).permute(2, 0, 1)[None].contiguous().to(self._device)
        try:
            probs_1KHW = labels.upsample(self._mean(image_13HW), (image_HW3.shape[0], image_HW3.shape[1]))
        except (MemoryError, torch.OutOfMemoryError):
            height, width = small.shape[:2]
            raise BadImage(
                f"{height}x{width} pixels do not fit into memory; use --mode slide or --short-side"
            ) from None
        return np.asarray(probs_1KHW[0].max(0).indices.to(torch.uint8).cpu().numpy())

    def _mean(self, image_13HW: Tensor) -> Tensor:
        window = self._checkpoint.config.stream.crop
        with autocast(self._checkpoint.config, self._device):
            parts = [probabilities(net, image_13HW, mode=self.mode, window=window) for net in self._nets]
        return torch.stack(parts).mean(0)

    def write(self, jobs: Sequence[Job], out: Path, *, alpha: float) -> dict[str, str]:
        """Masks and overlays of all jobs below `out`. Returns file → reason for those that failed.

        Raises ClusterError where the disk refuses, Interrupted on Ctrl-C after the first result."""
        failed: dict[str, str] = {}
        done = 0
        say(f"{self._checkpoint.folder}, iteration {self._checkpoint.iteration}: {self.network} ({self._device.type})")
        try:
            self._write_classes(out)
            for job in counted(jobs, len(jobs), "predict"):
                try:
                    self._write_one(job, out, alpha)
                except BadImage as error:
                    failed[str(job.image)] = str(error)
                done += 1
        except OSError as error:
            where = error.filename or out
            raise ClusterError(
                f"{where}: {error.strerror or error}. Make room or give rights, then run it again."
            ) from None
        except KeyboardInterrupt:
            if not done:
                raise
            raise Interrupted(
                f"interrupted after {done} of {len(jobs)} images; the same command makes all of them"
            ) from None
        return failed

    def _write_one(self, job: Job, out: Path, alpha: float) -> None:
        image_HW3 = read_rgb(job.image)
        label_HW = self.label(image_HW3)
        palette = self._checkpoint.palette
        covered = Image.fromarray(overlay(image_HW3, label_HW, palette, alpha=alpha))
        for folder, picture in (("masks", index_png(label_HW, palette)), ("overlays", covered)):
            path = out / folder / job.name
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)

    def _write_classes(self, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        with (out / "classes.csv").open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("id", "class", "red", "green", "blue"))
            for k, (name, colour) in enumerate(zip(self._checkpoint.classes, self._checkpoint.palette, strict=True)):
                rows.writerow((k, name, *colour))
