"""Training inputs made to vary: masks on spectrograms, noise and scale on series, from the global generator."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from bench.spec import Stabilisation
from tasks.base import Batch

BANDS, SPANS = 2, 2
"""Masks of each kind, as in the policies of Park et al. 2019."""
WIDEST, LONGEST = 27 / 80, 0.2
"""The widest band over all bands (their F = 27 of 80), and the longest span over the clip: p = 0.2 of their policy SM,
since a clip of one digit is much shorter than their T = 100 frames."""


def augmented(batch: Batch, recipe: Stabilisation) -> Batch:
    """The batch that training sees; the same one where the recipe asks for nothing."""
    if recipe.spec_augment:
        batch = replace(batch, x=torch.where(masked(batch), 0.0, batch.x))
    if recipe.scaling:
        # inputs and targets alike: what the window says of its future stays true
        factor = 1 + recipe.scaling * torch.randn(len(batch.x), 1, batch.x.shape[2]).to(batch.x.device)
        batch = replace(batch, x=batch.x * factor, y=batch.y * factor)
    if recipe.jitter:
        batch = replace(batch, x=batch.x + recipe.jitter * torch.randn(batch.x.shape).to(batch.x.device))
    return batch


def masked(batch: Batch) -> Tensor:
    """Where SpecAugment (Park et al. 2019) puts zero, the features' mean: (batch, time, feature) bool.

    For each sequence BANDS bands of features and SPANS spans of its own frames; widths are uniform from 0.
    """
    count, time, features = batch.x.shape
    lengths = torch.full((count,), time) if batch.lengths is None else batch.lengths
    found = torch.zeros(count, time, features, dtype=torch.bool)
    for _ in range(BANDS):
        found |= _interval(features, torch.full((count,), features), WIDEST).unsqueeze(1)
    for _ in range(SPANS):
        found |= _interval(time, lengths, LONGEST).unsqueeze(2)
    return found.to(batch.x.device)


def _interval(size: int, whole: Tensor, share: float) -> Tensor:
    """One interval a row within its first `whole` places, at most `share` of them wide: (row, size) bool."""
    width = (torch.rand(len(whole)) * (share * whole + 1)).floor()
    begin = (torch.rand(len(whole)) * (whole - width + 1)).floor()
    places = torch.arange(size).unsqueeze(0)
    return (places >= begin.unsqueeze(1)) & (places < (begin + width).unsqueeze(1))
