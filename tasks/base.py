"""What a task is. Knows nothing of `bench`: a task can be used with any training loop."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tasks.card import Card

IGNORE = -100
"""Target value that the losses leave out (torch's own default)."""

AT_ONCE = 2**16
"""Symbols of a stream that are taken in one step: few beside any text, many beside the cost of a step."""

Tally = dict[str, float]
"""Sums over examples. Metrics are computed from sums alone, so that no metric can depend on the batch size."""


@dataclass(frozen=True)
class Batch:
    """Some sequences side by side."""

    x: Tensor  # (batch, time, feature) float32, or (batch, time) int64 symbols
    y: Tensor  # labels (batch,), symbols (batch, time), CTC labels (batch, label) or values (batch, horizon, variate)
    lengths: Tensor | None = None  # (batch,) valid frames of x, on the CPU; None: all of them
    y_lengths: Tensor | None = None  # (batch,) valid labels of y, on the CPU; CTC only
    carried: bool = False  # the hidden state goes on from the batch before: x continues the same streams

    def to(self, device: torch.device | str) -> Batch:
        return replace(self, x=self.x.to(device), y=self.y.to(device))


class Split(Protocol):
    """Train, valid or test, resident in memory and indexed: loader processes cost more than they bring here."""

    def __len__(self) -> int:
        """Number of sequences, or of windows of a stream."""

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Endless training batches of exactly `size` sequences, in an order drawn from `generator` alone."""

    def ordered(self, size: int, limit: int | None = None) -> Iterator[Batch]:
        """Every sequence once, in order, the last batch as small as it comes; only about the first `limit` if given."""

    def to(self, device: torch.device | str) -> Split:
        """The same split on another device."""

    def tensors(self) -> Mapping[str, Tensor]:
        """The decoded arrays, for the fingerprint."""


class Indexed(ABC):
    """A split whose sequences are taken by index: what every split but a stream is."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _take(self, index: Tensor) -> Batch:
        """The sequences of these indexes side by side."""

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        size = min(size, len(self))
        while True:
            order = torch.randperm(len(self), generator=generator)
            for index in order.split(size):
                if len(index) == size:  # the remainder of a training epoch is drawn again in the next one
                    yield self._take(index)

    def ordered(self, size: int, limit: int | None = None) -> Iterator[Batch]:
        count = len(self) if limit is None else min(limit, len(self))
        for index in torch.arange(count).split(size):
            yield self._take(index)


@dataclass(frozen=True)
class Sequences(Indexed):
    """Independent sequences, shorter ones padded with zeros at the end."""

    x: Tensor  # (sequence, time, feature)
    y: Tensor  # (sequence, ...)
    lengths: Tensor | None = None
    y_lengths: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def _take(self, index: Tensor) -> Batch:
        x, y, lengths, y_lengths = self.x[index], self.y[index], None, None
        if self.lengths is not None:
            lengths = self.lengths[index]
            x = x[:, : int(lengths.max())]
        if self.y_lengths is not None:
            y_lengths = self.y_lengths[index]
            y = y[:, : int(y_lengths.max())]
        return Batch(x, y, lengths, y_lengths)

    def to(self, device: torch.device | str) -> Sequences:
        return replace(self, x=self.x.to(device), y=self.y.to(device))

    def tensors(self) -> Mapping[str, Tensor]:
        found = {"x": self.x, "y": self.y, "lengths": self.lengths, "y_lengths": self.y_lengths}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class Stream:
    """One long run of symbols, predicted symbol by symbol with the hidden state carried over (truncated BPTT).

    Every symbol is a target exactly once. The first is predicted from `start`; evaluation cuts the stream into
    `columns` equal parts, a number that belongs to the task and not to the batch, so a score never depends on the
    batch size. Only the hidden state is lost at a cut: a column's first input is the true symbol before it.

    Symbols narrower than int64 lie in a mapped file (tasks.data.symbols): they stay there, and no batch reads more than
    its own windows.
    """

    symbols: Tensor  # (symbol,) int64, or mapped: uint8, uint16 or uint32
    window: int  # steps of truncated BPTT, and of one batch
    start: int  # the input in front of the first symbol
    columns: int = 16

    def __len__(self) -> int:
        return -(-len(self.symbols) // self.window)

    def _batches(self, columns: range, time: int, offset: int = 0) -> Iterator[Batch]:
        """Columns of `time` steps side by side, in windows.

        `columns`: the place of each column's first target in the stream as it is from `offset` on, its beginning
        following its end. The input at the first place of all is `start`, and so is every input behind the last, where
        targets are IGNORE.
        """
        several = self.window * max(1, AT_ONCE // (len(columns) * self.window))
        for begin in range(0, time, several):
            x, y = self._stretch(columns, begin, min(several, time - begin), offset)
            for at in range(0, x.shape[1], self.window):
                span = slice(at, at + self.window)
                yield Batch(x[:, span], y[:, span], carried=begin + at > 0)

    def _stretch(self, columns: range, begin: int, steps: int, offset: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets from the step `begin` of each column on, each (column, steps)."""
        found = self._taken(columns, offset + begin - 1, steps + 1)  # a target's input stands one place before it
        x, y = found[:, :-1], found[:, 1:]
        if begin == columns[0] == 0:
            x = x.clone()
            x[0, 0] = self.start
        if columns[-1] + begin + steps > len(self.symbols):
            places = torch.tensor(columns).unsqueeze(1) + torch.arange(begin, begin + steps)
            behind = (places >= len(self.symbols)).to(y.device)
            x, y = x.masked_fill(behind, self.start), y.masked_fill(behind, IGNORE)
        return x, y

    def _taken(self, columns: range, offset: int, width: int) -> Tensor:
        """`width` symbols from `offset` on in each column, (column, width) int64; a view where they allow it."""
        count, parts = len(self.symbols), []
        while columns:
            begin = (columns[0] + offset) % count
            if begin + width > count:  # over the end, and on from the beginning
                places = torch.arange(begin, begin + width, device=self.symbols.device) % count
                parts.append(self.symbols[places].unsqueeze(0))
            else:
                parts.append(self.symbols[begin:].unfold(0, width, columns.step)[: len(columns)])
            columns = columns[len(parts[-1]) :]
        return (parts[0] if len(parts) == 1 else torch.cat(parts)).long()

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """`size` columns of equal length; each epoch the stream is rotated by a random offset, so that cuts move."""
        time = len(self.symbols) // (size * self.window) * self.window
        if time == 0:
            raise ValueError(f"{len(self.symbols)} symbols are too few for {size} columns of {self.window} steps")
        while True:
            offset = int(torch.randint(len(self.symbols), (1,), generator=generator))
            yield from self._batches(range(0, size * time, time), time, offset)

    def ordered(self, size: int, limit: int | None = None) -> Iterator[Batch]:
        whole = time = -(-len(self.symbols) // self.columns)
        if limit is not None:
            time = min(time, max(1, limit // self.columns) * self.window)
        columns = range(0, self.columns * whole, whole)
        for first in range(0, self.columns, size):
            yield from self._batches(columns[first : first + size], time)

    def to(self, device: torch.device | str) -> Stream:
        """The same stream on another device; a mapped one stays where it is, and `Batch.to` takes its batches there."""
        return self if self.mapped else replace(self, symbols=self.symbols.to(device))

    @property
    def mapped(self) -> bool:
        """Whether the symbols lie in a file."""
        return self.symbols.dtype != torch.int64

    def present(self) -> set[int]:
        """The different symbols."""
        return {symbol for part in self.symbols.split(AT_ONCE) for symbol in np.unique(part.cpu().numpy()).tolist()}

    def tensors(self) -> Mapping[str, Tensor]:
        return {"symbols": self.symbols}


class Task(Protocol):
    """Data, loss and metric of one question. Training descends `loss`; people read `tally` and `metrics`."""

    card: Card
    inputs: int  # features of a frame, or number of symbols
    outputs: int  # size of one output
    symbols: bool  # x holds symbols, to be embedded
    per_step: bool  # one output for each frame (CTC, language), or one for each sequence
    time: int  # frames of the longest training sequence, or of a window
    train: Split
    valid: Split
    test: Split

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """The mean loss, a scalar. out: (batch, outputs), or (batch, time, outputs) where `per_step`."""

    def tally(self, out: Tensor, batch: Batch) -> Tally:
        """Sums over the batch's examples: "loss", "count" and whatever the metrics need."""

    def metrics(self, tally: Tally) -> dict[str, float]:
        """Metrics of a tally added up over a split: the primary one under `card.metric`, and "loss"."""

    def naive(self) -> dict[str, float]:
        """Scores on test, in the primary metric, of answers that need no network."""


def fingerprint(task: Task) -> str:
    """sha256 (first 16 digits) of the decoded arrays of all splits: names, types, shapes and bytes.

    No array is copied for it. A split that has a method `digest() -> str` speaks for its arrays itself.
    """
    found = hashlib.sha256()
    for name in ("train", "valid", "test"):
        split = getattr(task, name)
        if hasattr(split, "digest"):
            found.update(f"{name} {split.digest()}".encode())
            continue
        for key, value in sorted(split.tensors().items()):
            array = value.contiguous().numpy()
            found.update(f"{name}.{key} {array.dtype} {array.shape}".encode())
            found.update(array.reshape(-1).view(np.uint8))
    return found.hexdigest()[:16]
