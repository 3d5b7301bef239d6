"""Windows of one series: a split of which no window is kept in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tasks.base import Batch, Indexed

HELD = 2**24
"""Values of a batch at most, whatever size is asked for: 67 MB of windows of traffic instead of 1 GB."""


@dataclass(frozen=True)
class Windows(Indexed):
    """Every run of `length` rows of a series with the `horizon` rows after it; views, copied only as a batch is taken.

    Where `relative`, the last row of the run is taken from all of them, as in NLinear (Zeng et al. 2023,
    arXiv:2205.13504): the network then sees and predicts changes, and no error differs, the last row being known.
    Real series need it: the level of ETT drifts away from that of the training year, and with absolute windows a plain
    LSTM stays behind even the weak published one. The embedded series keep their level and are learned better as they
    are. In order, windows come in batches that memory can hold; no score depends on the size of a batch.
    """

    series: Tensor  # (time, variate)
    length: int
    horizon: int
    relative: bool = False

    def __len__(self) -> int:
        return len(self.series) - self.length - self.horizon + 1

    def ordered(self, size: int, limit: int | None = None) -> Iterator[Batch]:
        return super().ordered(min(size, max(1, HELD // ((self.length + self.horizon) * self.series.shape[1]))), limit)

    def _take(self, index: Tensor) -> Batch:
        rows = self.series.unfold(0, self.length + self.horizon, 1)[index].transpose(1, 2)
        if self.relative:
            rows -= rows[:, self.length - 1 : self.length].clone()
        return Batch(rows[:, : self.length].contiguous(), rows[:, self.length :].contiguous())

    def to(self, device: torch.device | str) -> Windows:
        return replace(self, series=self.series.to(device))

    def tensors(self) -> Mapping[str, Tensor]:
        return {"series": self.series}
