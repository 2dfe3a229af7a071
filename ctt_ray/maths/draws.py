"""Random numbers of a sample: a function of its key and of what they are for, of nothing else."""

from __future__ import annotations

import zlib

import torch

_MASK = (1 << 64) - 1


def generator(key: int, use: str) -> torch.Generator:
    """A host generator for one use ("cutmix", "colour", ...) of the sample with this key (any 64-bit integer).

    Torch's CPU generator seeds itself from the low 32 bits only: keys that differ above them would share their numbers.
    Mixing all bits first (the splitmix64 finaliser) prevents that, and keeps the uses of one key apart."""
    state = (key ^ (zlib.crc32(use.encode()) * 0x9E3779B97F4A7C15)) & _MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
    return torch.Generator().manual_seed(state ^ (state >> 31))


def uniforms(key: int, use: str, count: int) -> list[float]:
    """`count` numbers in [0, 1)."""
    return torch.rand(count, generator=generator(key, use), dtype=torch.float64).tolist()
