"""Forecasts that need no network, the answers a recurrent network has to beat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from tasks.base import Batch, Split, Tally
from tasks.windows import Windows

CHUNK = 256  # windows held at once; no result depends on it

VARIATES = 64
"""Variates fitted at once: 1.2 GB at most, for 720 steps ahead of a window of 96."""

RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # as a share of the mean squared input


def errors(forecast: Tensor, truth: Tensor) -> Tally:
    """Sums of squared and absolute errors, and the number of values."""
    error = (forecast - truth).double()
    return {"loss": float(error.square().sum()), "absolute": float(error.abs().sum()), "count": error.numel()}


def repeated(split: Split, horizon: int, period: int) -> Tally:
    """The tally of repeating the last `period` values of the window; a period of 1 is the last value."""
    total = {"loss": 0.0, "absolute": 0.0, "count": 0.0}
    step = torch.arange(horizon) % period - period
    for batch in split.ordered(CHUNK):
        for key, value in errors(batch.x[:, step], batch.y).items():
            total[key] += value
    return total


class Moments(NamedTuple):
    """All that least squares needs to know of a split."""

    xx: Tensor  # (variate, feature, feature)
    xy: Tensor  # (variate, feature, horizon)
    yy: float
    values: int

    def error(self, weights: Tensor) -> float:
        """Sum of squared errors of a linear forecast. weights: (variate, feature, horizon)."""
        return float((weights * (self.xx @ weights - 2 * self.xy)).sum()) + self.yy

    def mse(self, weights: Tensor) -> float:
        """Mean squared error of a linear forecast."""
        return self.error(weights) / self.values


def linear(train: Split, valid: Split, test: Split) -> float:
    """Test MSE of ridge regression from a window to the horizon, the ridge chosen on valid, one for all variates.

    Each variate by itself, all values less the last one of the window, as in NLinear (Zeng et al. 2023,
    arXiv:2205.13504), but solved in closed form. Some variates at a time, so that memory does not grow with them.
    """
    chosen, scored = ([0.0] * len(RIDGES) for _ in range(2))
    values = 0
    for some in zip(*(blocks(split) for split in (train, valid, test)), strict=True):
        fit, judge, last = map(moments, some)
        scale = fit.xx.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None] * torch.eye(fit.xx.shape[1]).double()
        for place, ridge in enumerate(RIDGES):
            weights = torch.linalg.solve(fit.xx + ridge * scale, fit.xy)
            chosen[place] += judge.error(weights)
            scored[place] += last.error(weights)
        values += last.values
    return scored[chosen.index(min(chosen))] / values


def blocks(split: Split) -> Iterator[Split]:
    """The split with some of its variates at a time."""
    assert isinstance(split, Windows), "other splits have no linear forecast"
    for begin in range(0, split.series.shape[1], VARIATES):
        yield replace(split, series=split.series[:, begin : begin + VARIATES])


def moments(split: Split) -> Moments:
    """The moments of all windows of a split, summed piece by piece in double precision."""
    sums: tuple[Tensor, Tensor] | None = None
    yy, values = 0.0, 0
    for batch in split.ordered(CHUNK):
        x, y = design(batch)
        products = x.mT @ x, x.mT @ y
        sums = products if sums is None else (sums[0] + products[0], sums[1] + products[1])
        yy += float(y.square().sum())
        values += y.numel()
    assert sums is not None, "a split without windows"
    return Moments(*sums, yy, values)


def design(batch: Batch) -> tuple[Tensor, Tensor]:
    """Features and targets, each (variate, window, ...): the window and the horizon less the window's last value."""
    last = batch.x[:, -1:].double()
    x = (batch.x[:, :-1] - last).permute(2, 0, 1)  # the last feature would always be zero
    return torch.cat([x, torch.ones_like(x[..., :1])], dim=2), (batch.y - last).permute(2, 0, 1)
