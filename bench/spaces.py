"""What tuning may choose: the learning rate of every rule, and a technique's own strength. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bench.spec import Optimizer, RunSpec, Stabilisation, changed

RATE = 30.0
"""The learning rate is drawn from the table's own over this to its own times this, three decades, for every rule
alike: the tables' rates come from half-decade grids, so the best is well inside, and no rule is given more room."""


@dataclass(frozen=True)
class Range:
    """The values between two ends, drawn evenly or evenly in their logarithm."""

    low: float
    high: float
    scale: Literal["log", "linear"] = "log"

    def at(self, unit: float) -> float:
        """The value at a place in [0, 1], to four digits: what is written in a record is what ran."""
        if self.scale == "linear":
            value = self.low + unit * (self.high - self.low)
        else:
            value = math.exp(math.log(self.low) + unit * math.log(self.high / self.low))
        return float(f"{value:.4g}")


STRENGTHS: dict[str, Range] = {
    "clip_norm": Range(0.01, 10),
    "clip_value": Range(0.001, 1),
    "agc": Range(0.001, 1),
    "autoclip": Range(1, 90, "linear"),
    "gradient_noise": Range(1e-5, 0.1),
    "dropout": Range(0.05, 0.7, "linear"),
    "recurrent_dropout": Range(0.05, 0.7, "linear"),
    "zoneout": Range(0.01, 0.5),
    "zoneout_memory": Range(0.05, 0.8, "linear"),
    "weight_drop": Range(0.05, 0.8, "linear"),
    "weight_noise": Range(0.001, 0.3),
    "embedding_dropout": Range(0.02, 0.5),
    "l2": Range(1e-6, 1e-2),
    "decay": Range(1e-4, 1),
    "activation_penalty": Range(0.05, 10),
    "temporal_penalty": Range(0.05, 10),
    "label_smoothing": Range(0.01, 0.4),
    "jitter": Range(0.003, 0.3),
    "scaling": Range(0.01, 0.5),
    "forget_bias": Range(0, 5, "linear"),
    "swa": Range(0.25, 0.9, "linear"),
}
"""Field of a recipe -> its range. A field at its default is no part of the technique, and is left alone."""

DECAY = Range(1e-4, 1)
"""Of rules with decoupled decay, where the table's rule has one."""

DIMENSIONS = 6
"""Of the points that trials are drawn from: the rate, and at most five strengths."""


def space(optimizer: Optimizer, recipe: Stabilisation) -> dict[str, Range]:
    """What tuning may choose for this technique: `lr` first, then its strengths in the order of the recipe's fields."""
    found = {"lr": Range(optimizer.lr / RATE, optimizer.lr * RATE)}
    found |= {name: STRENGTHS[name] for name in changed(recipe) if name in STRENGTHS}
    if optimizer.decay:
        found["rule_decay"] = DECAY
    return dict(list(found.items())[:DIMENSIONS])


def chosen(ranges: dict[str, Range], point: Sequence[float]) -> dict[str, float]:
    """The values at a point of the unit cube: its first coordinate is the rate's whatever the technique, so that trial
    k of every technique has the same relative rate."""
    return {name: range_.at(unit) for (name, range_), unit in zip(ranges.items(), point, strict=False)}


def settled(spec: RunSpec, values: dict[str, float]) -> RunSpec:
    """The run with these values in place of the tables'."""
    rule: dict[str, Any] = {"lr": values["lr"]} if "lr" in values else {}
    if "rule_decay" in values:
        rule["decay"] = values["rule_decay"]
    strengths: dict[str, Any] = {name: value for name, value in values.items() if name in STRENGTHS}
    return replace(
        spec,
        optimizer=replace(spec.optimizer, **rule),
        stabilisation=replace(spec.stabilisation, **strengths),
    )
