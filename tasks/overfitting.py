"""The overfitting study: a task whose train split is smaller, or whose training labels say nothing.

Valid and test stay as they are, and so do scalers and vocabularies, which come from the whole train split. A smaller
split is part of every larger one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from tasks.base import Batch, Sequences, Stream, Task
from tasks.card import Card
from tasks.series import Windows

SEED = 1
"""Of the order that decides which sequences stay, and of the shuffled labels."""


def studied(task: Task, card: Card) -> Task:
    """`task` with the train split that the study's card asks for."""
    change: Callable[[Any], Any] = shuffled if card.study == "shuffled" else lambda split: part(split, _share(card))
    other = copy.copy(task)
    values = {"card": card, "train": change(task.train)}
    for name, value in values.items():
        object.__setattr__(other, name, value)  # some tasks are frozen; this copy is nobody's yet
    return other


def _share(card: Card) -> float:
    assert card.study is not None
    return int(card.study.removesuffix("%")) / 100


@singledispatch
def part(split: Any, share: float) -> Any:
    """The first `share` of a train split: of sequences in a fixed random order, of a series or a stream its end."""
    raise TypeError(f"no rule for a part of {type(split).__name__}")


@part.register
def _(split: Sequences, share: float) -> Sequences:
    return _taken(split, _order(len(split))[: round(share * len(split))].sort().values)


@part.register
def _(split: Windows, share: float) -> Windows:
    """The last rows: those before the validation split begins."""
    rows = split.length + split.horizon - 1 + round(share * len(split))
    return replace(split, series=split.series[-rows:])


@part.register
def _(split: Stream, share: float) -> Stream:
    return replace(split, symbols=split.symbols[-round(share * len(split.symbols)) :])


@singledispatch
def shuffled(split: Any) -> Any:
    """A train split with the same inputs and the same labels, of which none belongs to its input any more."""
    raise TypeError(f"no rule for shuffled labels of {type(split).__name__}")


@shuffled.register
def _(split: Sequences) -> Sequences:
    order = _order(len(split))
    lengths = None if split.y_lengths is None else split.y_lengths[order]
    return replace(split, y=split.y[order], y_lengths=lengths)


@shuffled.register
def _(split: Stream) -> Stream:
    """In a stream labels are inputs too: its symbols keep their frequencies and lose their order."""
    return replace(split, symbols=split.symbols[_order(len(split.symbols))])


@dataclass(frozen=True)
class Unrelated(Windows):
    """Windows whose future is another window's."""

    def _take(self, index: Tensor) -> Batch:
        past, other = super()._take(index), super()._take(_order(len(self))[index])
        return replace(past, y=other.y)

    def tensors(self) -> Mapping[str, Tensor]:
        return {**super().tensors(), "order": _order(len(self))}


@shuffled.register
def _(split: Windows) -> Unrelated:
    return Unrelated(split.series, split.length, split.horizon, split.relative)


def _order(count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(SEED))


def _taken(split: Sequences, index: Tensor) -> Sequences:
    lengths = None if split.lengths is None else split.lengths[index]
    y_lengths = None if split.y_lengths is None else split.y_lengths[index]
    return Sequences(split.x[index], split.y[index], lengths, y_lengths)
