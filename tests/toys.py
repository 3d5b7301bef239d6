"""Tiny tasks and specs for tests: seconds would be too long."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.matrices import QUICK
from bench.network import Network, Shape
from bench.plan import Filters, plan
from bench.spec import Architecture, RunSpec, Stabilisation
from tasks.base import IGNORE, Batch, Sequences, Stream, Tally
from tasks.card import Card


class Labels:
    """Which half of the sequence is louder: one label a sequence, sequences of several lengths."""

    card = Card("toy/labels", "toy", "accuracy", "higher", "%", "tests")
    inputs, outputs, symbols, per_step, time = 3, 2, False, False, 9

    def __init__(self, count: int = 48) -> None:
        generator = torch.Generator().manual_seed(7)
        x = torch.randn(3 * count, self.time, self.inputs, generator=generator)
        lengths = torch.randint(4, self.time + 1, (3 * count,), generator=generator)
        x = x * (torch.arange(self.time) < lengths.unsqueeze(1)).unsqueeze(2)
        y = (x[:, : self.time // 2].sum((1, 2)) > x[:, self.time // 2 :].sum((1, 2))).long()
        parts = zip(x.split(count), y.split(count), lengths.split(count), strict=True)
        self.train, self.valid, self.test = (Sequences(a, b, c) for a, b, c in parts)

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(out, batch.y)

    def tally(self, out: Tensor, batch: Batch) -> Tally:
        right = float((out.argmax(1) == batch.y).sum())
        return {"loss": float(F.cross_entropy(out, batch.y, reduction="sum")), "count": len(out), "right": right}

    def metrics(self, tally: Tally) -> dict[str, float]:
        return {"loss": tally["loss"] / tally["count"], "accuracy": 100 * tally["right"] / tally["count"]}

    def naive(self) -> dict[str, float]:
        return {"majority": 50.0}


class Symbols:
    """A stream of five symbols, each the sum of the two before it: one output a step, state carried over."""

    card = Card("toy/symbols", "toy", "perplexity", "lower", "", "tests", causal=True)
    inputs, outputs, symbols, per_step, time = 5, 5, True, True, 8

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(8)
        noise = torch.randint(2, (1500,), generator=generator)
        stream = torch.zeros(1500, dtype=torch.int64)
        for t in range(2, 1500):
            stream[t] = (stream[t - 1] + stream[t - 2] + noise[t]) % 5
        self.train, self.valid, self.test = (Stream(s, self.time, start=0) for s in stream.split([900, 300, 300]))

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(out.flatten(0, 1), batch.y.flatten(), ignore_index=IGNORE)

    def tally(self, out: Tensor, batch: Batch) -> Tally:
        loss = F.cross_entropy(out.flatten(0, 1), batch.y.flatten(), ignore_index=IGNORE, reduction="sum")
        return {"loss": float(loss), "count": float((batch.y != IGNORE).sum())}

    def metrics(self, tally: Tally) -> dict[str, float]:
        mean = tally["loss"] / tally["count"]
        return {"loss": mean, "perplexity": math.exp(mean)}

    def naive(self) -> dict[str, float]:
        return {"unigram": 5.0}


PLAIN, NOTHING = Architecture(), Stabilisation()


def network(
    task: Labels | Symbols,
    architecture: Architecture = PLAIN,
    recipe: Stabilisation = NOTHING,
    width: int = 6,
    seed: int = 0,
) -> Network:
    """An untrained network for a toy task."""
    return Network(Shape.of(task), architecture, recipe, width, seed)


def tiny(task: str = "series/mackey-glass", **changes: object) -> RunSpec:
    """The baseline run of a quick task, cut down to ten updates; `changes` replace fields of the spec."""
    chosen = Filters((task,), ("lstm",), ("none",), ("adam",), (0,))
    (spec,) = plan(QUICK, chosen, ["cpu"]).runs
    budget = replace(spec.budget, parameters=1_500, steps=10, evaluate=5, curve=32)
    return replace(spec, budget=budget, **changes)
