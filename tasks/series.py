"""Forecasting: the next values of a series, given a window of the past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks import forecasts, m4
from tasks.base import Batch, Split, Tally, Task
from tasks.card import Card
from tasks.data import DamagedData, benchmarks, ett, mackey_glass, own_series, seasonal
from tasks.windows import Windows


def build(card: Card, data: Path | None) -> Task:
    """The forecasting task of a card."""
    if card.name == "series/mackey-glass":
        return _task(
            card, mackey_glass.values(), mackey_glass.BORDERS, mackey_glass.INPUT, mackey_glass.HORIZON, period=None
        )
    if card.name == "series/seasonal":
        return _task(card, seasonal.values(), seasonal.BORDERS, seasonal.INPUT, seasonal.HORIZON, period=seasonal.LONG)
    _, name, horizon = card.name.split("/")
    if name == "m4":
        return m4.build(card, data)
    if name in benchmarks.BENCHMARKS:
        known, values = benchmarks.BENCHMARKS[name], benchmarks.values(name, data)
        borders = benchmarks.borders(len(values))
        return _task(card, values, borders, known.input, int(horizon), period=known.period, relative=True)
    name, _, alone = name.partition("-")
    values = ett.values(name, data)
    if alone:
        values = values[:, -1:]  # the oil temperature, the last column, is what the literature forecasts alone
    day = ett.PER_DAY[name]
    return _task(card, values, ett.borders(name), ett.INPUT, int(horizon), period=day, relative=True)


def own(card: Card, options: Mapping[str, str]) -> Task:
    """The forecasting task of a CSV of the reader's own (tasks.data.own_series says what may be asked for)."""
    try:
        wanted = own_series.asked(options)
    except ValueError as error:
        raise DamagedData(str(error)) from None
    values = own_series.values(wanted)
    borders = benchmarks.borders(len(values))
    return _task(card, values, borders, wanted.input, wanted.horizon, period=wanted.period, relative=True)


def _task(
    card: Card,
    values: NDArray[np.float64],
    borders: tuple[int, int, int],
    length: int,
    horizon: int,
    *,
    period: int | None,
    relative: bool = False,
) -> Task:
    scaled = torch.from_numpy(standardised(values, borders[0]))
    # Valid and test begin `length` rows early, so that their first target is the row at the border.
    begins = (0, borders[0] - length, borders[1] - length)
    train, valid, test = (
        Windows(scaled[begin:end], length, horizon, relative) for begin, end in zip(begins, borders, strict=True)
    )
    variates = scaled.shape[1]
    return Series(card, variates, horizon * variates, length, train, valid, test, variates, horizon, period)


def standardised(values: NDArray[np.float64], train: int) -> NDArray[np.float32]:
    """Each column less its mean, over its population standard deviation, both of the first `train` rows alone.

    A column that never changes there keeps its unit, as in the published scores (StandardScaler of scikit-learn).
    """
    known = values[:train]
    spread = np.where(np.ptp(known, axis=0) == 0, 1.0, known.std(axis=0))
    return ((values - known.mean(axis=0)) / spread).astype(np.float32)


@dataclass
class Series:
    """Forecasts of all steps of the horizon at once, scored on standardised values as in the literature."""

    card: Card
    inputs: int
    outputs: int
    time: int
    train: Split
    valid: Split
    test: Split
    variates: int
    horizon: int
    period: int | None  # steps of the season that the seasonal naive row repeats
    symbols: bool = False
    per_step: bool = False

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """Mean squared error over all values. out: (batch, horizon * variate)."""
        return (out.reshape(batch.y.shape) - batch.y).square().mean()

    def tally(self, out: Tensor, batch: Batch) -> Tally:
        """Squared and absolute errors, and the number of values."""
        return forecasts.errors(out.reshape(batch.y.shape), batch.y)

    def metrics(self, tally: Tally) -> dict[str, float]:
        """Mean squared and mean absolute error."""
        mse = tally["loss"] / tally["count"]
        return {"loss": mse, "mse": mse, "mae": tally["absolute"] / tally["count"]}

    def naive(self) -> dict[str, float]:
        """The last value, the last season where there is one, and a linear forecast."""
        rows = {"last value": forecasts.repeated(self.test, self.horizon, 1)}
        if self.period is not None:
            rows["seasonal naive"] = forecasts.repeated(self.test, self.horizon, self.period)
        scores = {label: self.metrics(tally)[self.card.metric] for label, tally in rows.items()}
        return scores | {"linear": forecasts.linear(self.train, self.valid, self.test)}
