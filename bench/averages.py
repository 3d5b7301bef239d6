"""Averages of weights over training, scored in place of the last ones: EMA, SWA, ASGD."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from bench.spec import Optimizer, Stabilisation

Values = dict[str, Tensor]


@dataclass
class Average:
    """The running average of a model's weights, and of the population statistics of batch normalisation with them.

    `begin` is the update after which averaging begins; None until validation says so (ASGD).
    """

    decay: float | None  # of an exponential average; None: every update since `begin` counts alike
    begin: int | None
    nonmono: int | None = None  # evaluations without a better validation loss before ASGD begins
    count: int = 0  # updates in the average
    values: Values = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)

    def update(self, model: nn.Module, step: int) -> None:
        """Take the weights after update `step` into the average."""
        if self.begin is None or step <= self.begin:
            return
        self.count += 1
        share = 1 / self.count
        if self.decay is not None:
            # few updates make a short average (as tf.train.ExponentialMovingAverage): the first weights are no average
            share = 1 - min(self.decay, self.count / (self.count + 9))
        for name, value in model.state_dict().items():
            if name not in self.values or not value.is_floating_point():
                self.values[name] = value.clone()
            else:
                self.values[name].lerp_(value, share)

    def observe(self, loss: float, step: int) -> None:
        """NT-ASGD's trigger (Merity, Keskar & Socher 2018): above the best of those n or more evaluations ago."""
        if self.nonmono is None or self.begin is not None:
            return
        if len(self.losses) > self.nonmono and loss > min(self.losses[: -self.nonmono]):
            self.begin = step
        self.losses.append(loss)


def build(recipe: Stabilisation, rule: Optimizer, steps: int) -> Average | None:
    """The average that is scored; None where the weights themselves are."""
    if recipe.ema is not None:
        return Average(recipe.ema, 0)
    if recipe.swa is not None:
        return Average(None, int(recipe.swa * steps))
    return Average(None, None, rule.nonmono) if rule.nonmono is not None else None


def settle(model: nn.Module, optimizer: torch.optim.Optimizer, average: Average | None) -> None:
    """Leave the model with the weights that are scored: training is over."""
    if hasattr(optimizer, "eval"):
        optimizer.eval()
    if average is not None and average.count:
        model.load_state_dict(average.values)


@contextmanager
def scored(model: nn.Module, optimizer: torch.optim.Optimizer, average: Average | None) -> Iterator[None]:
    """The model with the weights that are scored: the average, or those a schedule-free optimizer keeps apart.

    The raw weights come back bit for bit, so that how often a run is scored changes nothing in its training.
    """
    free, averaged = hasattr(optimizer, "eval"), average is not None and average.count > 0
    own = {name: value.clone() for name, value in model.state_dict().items()} if free or averaged else {}
    settle(model, optimizer, average)
    try:
        yield
    finally:
        if free:
            optimizer.train()  # type: ignore[attr-defined]
        if own:
            model.load_state_dict(own)
