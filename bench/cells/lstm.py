"""LSTM."""

from __future__ import annotations

from torch import Tensor, nn

from bench.cells.base import Cell, State


class LSTM(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000), gates ordered as in torch.nn.LSTM."""

    gates, states = 4, 2

    def twin(self, inputs: int, hidden: int) -> nn.RNNBase:
        return nn.LSTM(inputs, hidden)

    def step(self, z: Tensor, state: State, t: int, rows: Tensor | None) -> State:
        h, c = state
        i, f, g, o = (z + self.recur(h, t, rows)).chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * self.act(g)
        return o.sigmoid() * self.act(self.cell_norm(c, t, rows)), c
