"""The M4 competition as a task: one network forecasts every series of a frequency, and is scored by OWA."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tasks.base import Batch, Indexed, Split, Tally
from tasks.card import Card
from tasks.data import m4

SPLITS = ("train", "valid", "test")


def build(card: Card, data: Path | None) -> Competition:
    """The task of a frequency.

    Test is the competition's: the horizon after each series. Valid is the last horizon of the training values, and the
    training targets end before it.
    """
    frequency = card.name.rpartition("/")[2]
    known, arrays = m4.FREQUENCIES[frequency], m4.arrays(frequency, data)
    ends = torch.from_numpy(arrays["ends"])
    begins = torch.cat([ends.new_zeros(1), ends[:-1]])
    whole = torch.from_numpy(arrays["values"])
    beside = torch.from_numpy(arrays["scale"])
    made = {}
    for place, naive2 in enumerate(torch.from_numpy(arrays["naive2"])):
        stops = ends - (len(SPLITS) - 1 - place) * known.horizon
        enough = stops - begins > known.horizon  # a value at least to forecast from
        fields = (begins[enough], stops[enough], beside[enough], naive2[enough])
        made[SPLITS[place]] = Cuts(whole, *fields, known.input, known.horizon)
    return Competition(card, known.horizon, known.input, made["train"], made["valid"], made["test"])


@dataclass(frozen=True)
class Cuts(Indexed):
    """A window of each of many series: `length` values and the `horizon` values after them.

    In order it is the last window of every series. In training each series comes once an epoch, cut at a place that is
    drawn evenly from all it has, so that long series count as much as short ones, as they do in the score; no window is
    kept in memory. A window has its last value taken from it and is divided by the mean of its absolute values, so that
    series of every size look alike; in front of a series its first value stands. y holds, one after another, the
    horizon so scaled, Naive2's forecast so scaled (in training a zero, the last value: it plays no part in the loss),
    and what scoring needs: the last value, the mean, and MASE's scale.
    """

    values: Tensor  # (value,) float64, all series in a row
    begins: Tensor  # (series,) where each begins
    stops: Tensor  # (series,) behind its last target
    scale: Tensor  # (series,) what MASE divides by
    naive2: Tensor  # (series, horizon) forecast of the last window
    length: int
    horizon: int

    def __len__(self) -> int:
        return len(self.begins)

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        size = min(size, len(self))
        while True:
            for index in torch.randperm(len(self), generator=generator).split(size):
                if len(index) == size:
                    room = self.stops[index] - self.begins[index] - self.horizon  # at least 1
                    drawn = torch.rand(size, dtype=torch.float64, generator=generator).to(room.device)
                    yield self._cut(index, (drawn * room).long(), None)

    def _take(self, index: Tensor) -> Batch:
        return self._cut(index, torch.zeros_like(index), self.naive2[index])

    def targets(self) -> Tensor:
        """(series, horizon) the values that the windows in order are to predict."""
        steps = torch.arange(-self.horizon, 0, device=self.values.device)
        return self.values[self.stops[:, None] + steps]

    def _cut(self, index: Tensor, back: Tensor, naive2: Tensor | None) -> Batch:
        """Windows that end `back` values before the last one of their series."""
        first = self.stops[index] - back - self.horizon  # of the horizon
        steps = torch.arange(-self.length, self.horizon, device=self.values.device)
        window = self.values[torch.maximum(first[:, None] + steps, self.begins[index, None])]
        last = window[:, self.length - 1 : self.length].clone()
        mean = window[:, : self.length].abs().mean(dim=1, keepdim=True)
        scaled = (window - last) / mean
        known = torch.zeros_like(scaled[:, self.length :]) if naive2 is None else (naive2 - last) / mean
        y = torch.cat([scaled[:, self.length :], known, last, mean, self.scale[index, None]], dim=1)
        return Batch(scaled[:, : self.length, None].float(), y[..., None])

    def to(self, device: torch.device | str) -> Cuts:
        values, begins, stops, scale, naive2 = (tensor.to(device) for tensor in self.tensors().values())
        return Cuts(values, begins, stops, scale, naive2, self.length, self.horizon)

    def tensors(self) -> Mapping[str, Tensor]:
        names = ("values", "begins", "stops", "scale", "naive2")
        return {name: getattr(self, name) for name in names}


@dataclass
class Competition:
    """Forecasts of all steps at once, trained on absolute errors of the scaled window, scored as in M4."""

    card: Card
    outputs: int  # the horizon
    time: int
    train: Split
    valid: Split
    test: Split
    inputs: int = 1
    symbols: bool = False
    per_step: bool = False

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """Mean absolute error of the scaled values: sMAPE and MASE are absolute errors too. out: (batch, horizon)."""
        return (out - batch.y[:, : self.outputs, 0].to(out.dtype)).abs().mean()

    def tally(self, out: Tensor, batch: Batch) -> Tally:
        """Sums over series of the loss, and of sMAPE and MASE, each of the forecast and of Naive2."""
        truth, naive2, (last, mean, scale) = self._parts(batch.y)
        loss = (out.double() - truth).abs().mean(dim=1).sum()
        found = {"loss": float(loss), "count": float(len(out))}
        for suffix, forecast in (("", out.double()), (" of naive2", naive2)):
            error, actual = (forecast - truth).abs() * mean, truth * mean + last
            smape = 200 * error / ((forecast * mean + last).abs() + actual.abs())
            found |= {f"smape{suffix}": float(smape.mean(dim=1).sum())}
            found |= {f"mase{suffix}": float((error / scale).mean(dim=1).sum())}
        return found

    def _parts(self, y: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        truth, naive2, rest = y[..., 0].double().split([self.outputs, self.outputs, 3], dim=1)
        return truth, naive2, rest.split(1, dim=1)

    def metrics(self, tally: Tally) -> dict[str, float]:
        """Loss, sMAPE in per cent, MASE, and OWA: the mean of both relative to Naive2's."""
        smape, mase = (tally[name] / tally[f"{name} of naive2"] for name in ("smape", "mase"))
        found = {name: tally[name] / tally["count"] for name in ("loss", "smape", "mase")}
        return {**found, "owa": (smape + mase) / 2}

    def naive(self) -> dict[str, float]:
        """Naive2, which is 1 by definition, and the last value."""
        forecasts = {"naive2": lambda batch: self._parts(batch.y)[1], "last value": lambda batch: batch.y[:, :1, 0] * 0}
        scores = {}
        for label, forecast in forecasts.items():
            total: Tally = {}
            for batch in self.test.ordered(1_024):
                for key, value in self.tally(forecast(batch).expand(-1, self.outputs), batch).items():
                    total[key] = total.get(key, 0.0) + value
            scores[label] = self.metrics(total)[self.card.metric]
        return scores
