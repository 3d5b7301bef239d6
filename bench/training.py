"""What training changes from update to update, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from bench.averages import Average
from bench.cells import State
from bench.clipping import Clipping
from bench.clock import Stopwatch
from bench.network import Network
from bench.schedules import Schedule


@dataclass
class Fit:
    """What training did."""

    curve: list[dict[str, Any]] = field(default_factory=list)  # {"step", "train", "valid", "test": {metric: value}}
    steps: int = 0
    best_step: int = 0  # the point of the curve with the lowest validation loss
    diverged: int | None = None  # the update whose loss was not finite
    restored: bool = False  # the weights are those of best_step, not the last ones
    clipped: int = 0  # updates whose gradient was clipped
    saved: int = 0  # updates of the budget that early stopping left out
    averaged_from: int | None = None  # the update after which the scored average of weights begins
    rates: list[float] = field(default_factory=list)  # learning rate of the first update, the highest, and of the last
    seconds: float = 0.0  # without evaluation


@dataclass
class Training:
    """All that an update changes. With these values put back, training goes on with the same bits.

    The order of the data is not among them: it is drawn from the seed's own generator, begun again and moved on.
    """

    model: Network
    optimizer: torch.optim.Optimizer
    schedule: Schedule | None
    average: Average | None
    clip: Clipping
    watch: Stopwatch
    result: Fit = field(default_factory=Fit)
    state: list[State] | None = None  # the hidden state that the next batch of a stream goes on from
    best: dict[str, Tensor] | None = None  # the weights of the lowest validation loss, for early stopping
    best_loss: float = math.inf
    stale: int = 0  # evaluations since then

    def values(self) -> dict[str, Any]:
        """Tensors and plain values alone, none of them copied: save them before the next update."""
        device = next(self.model.parameters()).device
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            **{name: _read(part, names) for name, (part, names) in self._parts().items()},
        }

    def restore(self, values: Mapping[str, Any]) -> None:
        """Be where values() was taken: of the same model, optimizer and recipe, untrained."""
        self.model.load_state_dict(values["model"])
        self.optimizer.load_state_dict(values["optimizer"])
        torch.set_rng_state(values["random"])
        if values["random_cuda"] is not None:
            torch.cuda.set_rng_state(values["random_cuda"], next(self.model.parameters()).device)
        for name, (part, _) in self._parts().items():
            for key, value in values[name].items():
                setattr(part, key, value)

    def _parts(self) -> dict[str, tuple[object, tuple[str, ...]]]:
        """What stands outside of torch's own dictionaries, and the attributes of it that change."""
        return {
            "loop": (self, ("state", "best", "best_loss", "stale")),
            "result": (self.result, tuple(known.name for known in fields(Fit))),
            "schedule": (self.schedule, ("best", "reduced")),
            "average": (self.average, ("begin", "count", "values", "losses")),
            "clip": (self.clip, ("norms",)),
            "watch": (self.watch, ("seconds",)),
        }


def _read(part: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {} if part is None else {name: getattr(part, name) for name in names}
