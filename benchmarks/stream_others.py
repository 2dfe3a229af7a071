"""The same images with the same crop and scale by other means, an epoch a call: `datasets` streaming, files with torchvision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.stream_data import Set, ours
from ctt_ray.nets.torchvision_compat import torchvision
from ctt_ray.stream.decode import Pixels
from ctt_ray.stream.views import MEAN_COLOUR, ViewSpec
from data_prep.schema import VOID

Epoch = Callable[[], None]
SHUFFLE = 100  # rows of the buffer


def drain(views: Iterable[tuple[Any, Any]], batch: int, join: Callable[[list[Any]], Tensor]) -> None:
    """An epoch of batches, of which nothing is kept."""
    images, labels = [], []
    for image, label in views:
        images.append(image)
        labels.append(label)
        if len(images) == batch:
            join(images), join(labels)
            images, labels = [], []


def stacked(arrays: list[Pixels]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))


def streaming(kind: str, data: Set, spec: ViewSpec, batch: int) -> Epoch:
    """`datasets` in streaming mode; pictures are handed out encoded, for our functions to decode."""
    datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN = 0  # 5 s at the end of each epoch of Parquet otherwise
    files = [str(data.parquet)] if kind == "parquet" else sorted(map(str, data.shards.glob("train-*.arrow")))
    found = datasets.load_dataset(kind, data_files=files, split="train", streaming=True)
    for name in ("image", "mask"):
        found = found.cast_column(name, datasets.Image(decode=False))
    found = found.shuffle(seed=0, buffer_size=SHUFFLE)
    rng = np.random.default_rng(0)

    def views() -> Iterator[tuple[Pixels, Pixels]]:
        for row in found:
            image, mask = (np.frombuffer(row[name]["bytes"], np.uint8) for name in ("image", "mask"))
            yield ours(image, mask, spec, rng)

    return lambda: drain(views(), batch, stacked)


def torchvision_files(how: str, data: Set, spec: ViewSpec, batch: int) -> Epoch:
    """PIL reads the files; torchvision's v2 transforms crop. how: `crop` RandomResizedCrop of the PIL image, `tensor` the same of
    a tensor, `resize` RandomResize of the whole image and RandomCrop, as torchvision's reference for segmentation has it."""
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    assert torchvision is not None
    height, width = spec.crop
    low, high = spec.scale
    with Image.open(data.files[0][0]) as first:
        area = height * width / (first.width * first.height)
        short = min(first.size)
    fill: dict[Any, Any] = {Image.Image: MEAN_COLOUR, tv_tensors.Image: MEAN_COLOUR, tv_tensors.Mask: VOID}
    crop = {
        "resize": [
            v2.RandomResize(round(low * short), round(high * short) + 1),
            v2.RandomCrop(spec.crop, pad_if_needed=True, fill=fill),
        ]
    }.get(how, [v2.RandomResizedCrop(spec.crop, scale=(min(1.0, area / high**2), 1.0), ratio=(1.0, 1.0))])
    transform = v2.Compose(
        [*([v2.ToImage()] if how == "tensor" else []), *crop, v2.RandomHorizontalFlip(), v2.ToImage()]
    )
    rng = np.random.default_rng(0)

    def view(image: Path, mask: Path) -> tuple[Tensor, Tensor]:
        label = tv_tensors.Mask(np.array(Image.open(mask)))
        found: tuple[Tensor, Tensor] = transform(Image.open(image).convert("RGB"), label)
        return found

    def views() -> Iterator[tuple[Tensor, Tensor]]:
        for place in rng.permutation(len(data.files)):
            yield view(*data.files[place])

    return lambda: drain(views(), batch, torch.stack)
