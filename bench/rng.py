"""Named random streams from one seed. Adding a technique never shifts another's stream."""

from __future__ import annotations

import hashlib

import torch


def derived(seed: int, *names: str) -> int:
    """A 63-bit seed that belongs to (`seed`, `names`) alone."""
    text = "/".join((str(seed), *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: str) -> torch.Generator:
    """A generator on the CPU, so that CPU and CUDA runs of one seed see the same data order and initial weights.

    In use: ("order",) for the order of the data, ("init", parameter name) for each weight. Dropout masks, noise
    on weights and gradients, and augmentation are drawn from torch's global generator, seeded with ("dropout",):
    nothing else draws from it.
    """
    return torch.Generator().manual_seed(derived(seed, *names))
