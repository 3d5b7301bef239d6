"""Tests of memory with a known answer: the adding problem and copy memory, drawn afresh for every batch.

What a network learns here it can only have learned by carrying something over T steps, so the longest T that it solves
is a measure of vanishing gradients that needs no gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from tasks.base import Batch, Sequences, Split, Tally
from tasks.card import Card
from tasks.memory_cards import without_memory

Draw = Callable[[int, int, torch.Generator], Batch]
"""Examples: how many, over how many steps, from which generator."""

HELD, SYMBOLS = 10, 8
"""Symbols to be copied, and their alphabet, as in Arjovsky, Shah & Bengio 2016."""
BLANK, DELIMITER = SYMBOLS, SYMBOLS + 1

SIZES = {"train": 1_000, "valid": 1_000, "test": 2_000}
"""Fixed examples of each split. Training sees fresh ones; those of train are for its points of the curve."""


def build(card: Card, data: Path | None) -> Adding | Copy:
    """The memory task of a card; nothing is read."""
    _, kind, length = card.name.split("/")
    return Adding(card, int(length)) if kind == "adding" else Copy(card, int(length))


def adding(count: int, length: int, generator: torch.Generator) -> Batch:
    """A value in [0, 1] and a mark at every step, (count, length, 2); the sum of the two marked values, (count, 1, 1).

    One mark falls in each half, so that the first has at least half of the sequence to be forgotten in.
    """
    values = torch.rand(count, length, generator=generator)
    marks = torch.zeros(count, length)
    rows, half = torch.arange(count), length // 2
    marks[rows, torch.randint(half, (count,), generator=generator)] = 1
    marks[rows, torch.randint(half, length, (count,), generator=generator)] = 1
    return Batch(torch.stack([values, marks], dim=2), (values * marks).sum(1).view(count, 1, 1))


def copy(count: int, length: int, generator: torch.Generator) -> Batch:
    """Ten symbols, blanks, a delimiter `length` steps after the last one, blanks: one-hot, (count, length + 20, 10).

    The answer, (count, length + 20), is blank at every step but the last ten, where it is the symbols in their order.
    """
    held = torch.randint(SYMBOLS, (count, HELD), generator=generator)
    x = torch.full((count, length + 2 * HELD), BLANK)
    x[:, :HELD] = held
    x[:, length + HELD - 1] = DELIMITER
    y = torch.full_like(x, BLANK)
    y[:, -HELD:] = held
    return Batch(F.one_hot(x, SYMBOLS + 2).float(), y)


@dataclass(frozen=True)
class Fresh:
    """A train split without end: no example comes twice."""

    draw: Draw
    length: int
    fixed: Sequences  # what stands for the split where it is evaluated

    def __len__(self) -> int:
        return len(self.fixed)

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        while True:
            yield self.draw(size, self.length, generator)

    def ordered(self, size: int, limit: int | None = None) -> Iterator[Batch]:
        return self.fixed.ordered(size, limit)

    def to(self, device: torch.device | str) -> Fresh:
        return Fresh(self.draw, self.length, self.fixed.to(device))

    def tensors(self) -> Mapping[str, Tensor]:
        return self.fixed.tensors()


class _Memory:
    """What both tasks hold."""

    symbols = False

    @staticmethod
    def draw(count: int, length: int, generator: torch.Generator) -> Batch:
        raise NotImplementedError

    def __init__(self, card: Card, length: int) -> None:
        self.card, self.length = card, length

    def _fixed(self, split: str) -> Sequences:
        generator = torch.Generator().manual_seed(1 + list(SIZES).index(split))
        drawn = type(self).draw(SIZES[split], self.length, generator)
        return Sequences(drawn.x, drawn.y)

    @cached_property
    def train(self) -> Split:
        return Fresh(type(self).draw, self.length, self._fixed("train"))

    @cached_property
    def valid(self) -> Split:
        return self._fixed("valid")

    @cached_property
    def test(self) -> Split:
        return self._fixed("test")

    def naive(self) -> dict[str, float]:
        """The best answer of a network that keeps nothing, by arithmetic."""
        return {"no memory": without_memory(self.card.name)}


class Adding(_Memory):
    """The sum of two marked values among T."""

    draw = staticmethod(adding)
    inputs, outputs, per_step = 2, 1, False

    @property
    def time(self) -> int:
        return self.length

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """Mean squared error. out: (batch, 1)."""
        return (out.view_as(batch.y) - batch.y).square().mean()

    def tally(self, out: Tensor, batch: Batch) -> Tally:
        errors = (out.view_as(batch.y) - batch.y).double()
        return {"loss": float(errors.square().sum()), "count": errors.numel()}

    def metrics(self, tally: Tally) -> dict[str, float]:
        mse = tally["loss"] / tally["count"]
        return {"loss": mse, "mse": mse}


class Copy(_Memory):
    """Ten symbols, repeated after T blanks."""

    draw = staticmethod(copy)
    inputs, outputs, per_step = SYMBOLS + 2, SYMBOLS + 1, True

    @property
    def time(self) -> int:
        return self.length + 2 * HELD

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """Mean cross entropy over all steps in nats, the blanks included. out: (batch, time, symbol)."""
        return F.cross_entropy(out.flatten(0, 1), batch.y.flatten())

    def tally(self, out: Tensor, batch: Batch) -> Tally:
        nats = F.cross_entropy(out.flatten(0, 1), batch.y.flatten(), reduction="none")
        recalled = (out[:, -HELD:].argmax(2) == batch.y[:, -HELD:]).sum()
        return {
            "loss": float(nats.double().sum()),
            "count": nats.numel(),
            "recalled": float(recalled),
            "asked": HELD * len(batch.y),
        }

    def metrics(self, tally: Tally) -> dict[str, float]:
        """Nats a step, and the share of the ten symbols that are right, in %."""
        nats = tally["loss"] / tally["count"]
        return {"loss": nats, "nats": nats, "recalled": 100 * tally["recalled"] / tally["asked"]}
