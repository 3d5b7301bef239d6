"""LSTM, and LSTM with peepholes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.cells.base import Cell, Now, State
from bench.spec import Stabilisation


class LSTM(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000), gates ordered as in torch.nn.LSTM.

    With layer normalisation (Ba, Kiros & Hinton 2016, equations 20 to 22): of W x and of W h, each over all four gates
    at once, and of c on its way to h; the c that is carried on stays as it is.
    """

    gates, states, kernel = 4, 2, "lstm"

    def twin(self, inputs: int, hidden: int) -> nn.RNNBase:
        return nn.LSTM(inputs, hidden)

    def step(self, z: Tensor, state: State, now: Now) -> State:
        h, c = state
        i, f, g, o = (z + self.recur(h, now)).chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * now.noise.drop(self.act(g), now.t)
        return o.sigmoid() * self.act(self.cell_norm(c, now.t, now.rows)), c


class Peephole(LSTM):
    """LSTM whose gates see the memory (Gers & Schmidhuber 2000): i and f the old one, o the new one."""

    exact = ()

    def __init__(self, inputs: int, hidden: int, recipe: Stabilisation | None = None, time: int = 1) -> None:
        super().__init__(inputs, hidden, recipe, time)
        self.peepholes = nn.Parameter(torch.zeros(3, hidden))  # to i, f and o: one weight a unit

    def step(self, z: Tensor, state: State, now: Now) -> State:
        h, c = state
        p = self.peepholes
        i, f, g, o = (z + self.recur(h, now)).chunk(4, dim=1)
        candidate = now.noise.drop(self.act(g), now.t)
        c = (f + p[1] * c).sigmoid() * c + (i + p[0] * c).sigmoid() * candidate
        return (o + p[2] * c).sigmoid() * self.act(self.cell_norm(c, now.t, now.rows)), c
