"""Sequences of several lengths in one batch, (time, batch, feature), padding at the end."""

from __future__ import annotations

import torch
from torch import Tensor


def mask(x: Tensor, lengths: Tensor | None) -> Tensor | None:
    """(time, batch), False where a sequence has ended; None where all are as long as the batch."""
    if lengths is None:
        return None
    return torch.arange(len(x), device=x.device).unsqueeze(1) < lengths.to(x.device).unsqueeze(0)


def reverse(x: Tensor, lengths: Tensor | None) -> Tensor:
    """(time, batch, feature) with each sequence back to front; padding stays at the end. Its own inverse."""
    if lengths is None:
        return x.flip(0)
    t = torch.arange(len(x), device=x.device).unsqueeze(1)
    ends = lengths.to(x.device).unsqueeze(0)
    index = torch.where(t < ends, ends - 1 - t, t)
    return x.gather(0, index.unsqueeze(2).expand_as(x))
