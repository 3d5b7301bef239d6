"""Normalisation for recurrent networks: of a layer's units, of a batch, of a batch at each time step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOMENTUM = 0.1
EPSILON = 1e-5
FEWEST = 8
"""Rows that make a statistic, where the batch has as many: the last steps of the longest sequences have one or two."""


class Plain(nn.Module):
    """No normalisation."""

    def forward(self, x: Tensor, t: int, rows: Tensor | None) -> Tensor:
        return x


class Units(nn.Module):
    """Layer normalisation (Ba, Kiros & Hinton 2016): over the units of one row, the same in training and after.

    gamma starts at 1. There is no shift unless asked for: the cell's own bias does that.
    """

    def __init__(self, features: int, shift: bool = False) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(features))
        self.beta = nn.Parameter(torch.zeros(features)) if shift else None

    def forward(self, x: Tensor, t: int, rows: Tensor | None) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.gamma, self.beta, EPSILON)


class Recurrent(nn.Module):
    """Batch normalisation with population statistics for each of `steps` time steps (Cooijmans et al. 2016).

    Steps beyond the last one seen in training use that one's statistics, as the paper does. `steps=1` with all frames
    of a batch flattened into rows is the sequence-wise normalisation of Laurent et al. 2015. Only the rows of
    sequences that have not ended count; where fewer than FEWEST are left their variance is no estimate, and the
    population statistics stand in. gamma 0.1 keeps tanh out of saturation (section 4 of Cooijmans et al.). There is
    no shift unless asked for: the cell's own bias does that.
    """

    mean: Tensor
    var: Tensor
    seen: Tensor

    def __init__(self, features: int, steps: int, gamma: float = 0.1, shift: bool = False) -> None:
        super().__init__()
        self.steps = steps
        self.gamma = nn.Parameter(torch.full((features,), gamma))
        self.beta = nn.Parameter(torch.zeros(features)) if shift else None
        self.register_buffer("mean", torch.zeros(steps, features))
        self.register_buffer("var", torch.ones(steps, features))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))  # time steps that have statistics
        self.steps_seen = 0  # the same on the Python side, so that a step needs no synchronisation

    def forward(self, x: Tensor, t: int, rows: Tensor | None) -> Tensor:
        """x: (batch, feature), rows: (batch,) bool or None. Rows that have ended come back normalised like the rest."""
        t = min(t, self.steps - 1)
        if self.training:
            counted = x if rows is None else x[rows]
            if len(counted) >= min(FEWEST, max(len(x), 2)):
                return self._from_batch(x, counted, t)
        t = min(t, max(self.steps_seen - 1, 0))
        return F.batch_norm(x, self.mean[t], self.var[t], self.gamma, self.beta, False, 0.0, EPSILON)

    def whole(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """(time, batch, feature), each step by its own statistics; with `steps=1`, by those of all frames at once."""
        if self.steps == 1:
            rows = None if valid is None else valid.flatten()
            normed: Tensor = self(x.flatten(0, 1), 0, rows).view_as(x)
            return normed
        return torch.stack([self(part, t, None if valid is None else valid[t]) for t, part in enumerate(x)])

    def _from_batch(self, x: Tensor, counted: Tensor, t: int) -> Tensor:
        var, mean = torch.var_mean(counted, 0, correction=0)
        with torch.no_grad():
            # the first batch sets the population: 0 and 1 are no estimate, and far steps are met rarely
            momentum = MOMENTUM if t < self.steps_seen else 1.0
            self.mean[t].lerp_(mean, momentum)
            self.var[t].lerp_(var * (len(counted) / (len(counted) - 1)), momentum)
            self.remember(max(self.steps_seen, t + 1))
        y = (x - mean) * ((var + EPSILON).rsqrt() * self.gamma)
        return y if self.beta is None else y + self.beta

    def remember(self, seen: int) -> None:
        """That this many time steps have statistics."""
        if seen != self.steps_seen:
            self.steps_seen = seen
            self.seen.fill_(seen)

    def _load_from_state_dict(self, *args: object, **kwargs: object) -> None:
        super()._load_from_state_dict(*args, **kwargs)  # type: ignore[arg-type]
        self.steps_seen = int(self.seen)
