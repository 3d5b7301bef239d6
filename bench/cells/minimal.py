"""Cells whose gates read the input alone (Feng et al. 2024), so that all their steps could be computed at once."""

from __future__ import annotations

from torch import Tensor, nn

from bench.cells.base import Cell, Now, State, Weights


class Minimal(Cell):
    """What both have in common: no recurrent matrix, one bias, and a candidate without tanh unless one is asked for."""

    states, exact = 1, ()

    def twin(self, inputs: int, hidden: int) -> nn.Module:
        return Weights(hidden, weight_ih=(self.gates * hidden, inputs), bias_ih=(self.gates * hidden,))

    def recurrent_weight(self) -> Tensor:
        """There is none."""
        return self.raw("bias_ih").new_empty(0)

    def candidate(self, n: Tensor, now: Now) -> Tensor:
        """What a step would write. The papers' cell has no tanh here, and that is our default activation."""
        return now.noise.drop(n if self.activation == "tanh" else self.act(n), now.t)


class MinGRU(Minimal):
    """h = (1 - u) h + u n, gates u and n of the input."""

    gates, writes = 2, 0

    def step(self, z: Tensor, state: State, now: Now) -> State:
        (h,) = state
        u, n = z.chunk(2, dim=1)
        return (h + u.sigmoid() * (self.candidate(n, now) - h),)


class MinLSTM(Minimal):
    """h = f' h + i' n with f' = f / (f + i) and i' = i / (f + i), which keeps the scale of h apart from time."""

    gates, writes, keeps = 3, 0, 1

    def step(self, z: Tensor, state: State, now: Now) -> State:
        (h,) = state
        i, f, n = z.chunk(3, dim=1)
        i, f = i.sigmoid(), f.sigmoid()
        return ((f * h + i * self.candidate(n, now)) / (f + i),)
