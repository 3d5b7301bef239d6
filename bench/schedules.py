"""The learning rate over the updates of a run, as a factor of the rule's own rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from bench import spec

DROPS, DROP = (0.5, 0.75), 0.1
"""Step: a tenth after half of the updates and again after three quarters (He et al. 2016)."""
PLATEAU = 0.25
"""Plateau: a quarter after every evaluation that is not the best (torch's word_language_model; new-bob in speech)."""
RISE, START, END = 0.3, 1 / 25, 1e-4
"""One-cycle (Smith & Topin 2018): rises for 30 % of the updates from 1/25 of the rate, ends at 1/10,000 of that."""


def factor(kind: spec.Schedule, share: float, warmup: float = 0.0) -> float:
    """What the rate is multiplied by when `share` of the updates is done, in [0, 1]."""
    if share < warmup:
        return share / warmup
    after = (share - warmup) / (1 - warmup)
    if kind == "step":
        return DROP ** sum(after >= drop for drop in DROPS)
    if kind == "cosine":  # Loshchilov & Hutter 2017, without restarts
        return _cosine(1, 0, after)
    if kind == "one-cycle":
        return _cosine(START, 1, after / RISE) if after < RISE else _cosine(1, START * END, (after - RISE) / (1 - RISE))
    return 1.0


def _cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


@dataclass
class Schedule:
    """Sets an optimizer's rate before every update."""

    rule: spec.Optimizer
    optimizer: torch.optim.Optimizer
    steps: int
    best: float = math.inf
    reduced: float = 1.0  # plateau: the product of all reductions so far

    def __post_init__(self) -> None:
        self.rates = [float(group["lr"]) for group in self.optimizer.param_groups]

    def before(self, step: int) -> None:
        """Set the rate of update `step`, counted from 1."""
        # warm-up starts at the first fraction of the rate, not at an update of nothing
        done = step / self.steps if step <= self.rule.warmup * self.steps else (step - 1) / self.steps
        now = self.reduced * factor(self.rule.schedule, done, self.rule.warmup)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * now

    def observe(self, loss: float) -> None:
        """The validation loss of an evaluation."""
        if self.rule.schedule == "plateau" and loss >= self.best:
            self.reduced *= PLATEAU
        self.best = min(self.best, loss)


def build(rule: spec.Optimizer, optimizer: torch.optim.Optimizer, steps: int) -> Schedule | None:
    """The schedule of a rule over `steps` updates; None where the rate stays as it is."""
    if rule.schedule == "constant" and not rule.warmup:
        return None
    return Schedule(rule, optimizer, steps)
