"""GRU."""

from __future__ import annotations

from torch import Tensor, nn

from bench.cells.base import Cell, State


class GRU(Cell):
    """Gated recurrent unit (Cho et al. 2014) as torch.nn.GRU computes it: the reset gate after the matrix product."""

    gates, states = 3, 1

    def twin(self, inputs: int, hidden: int) -> nn.RNNBase:
        return nn.GRU(inputs, hidden)

    def step(self, z: Tensor, state: State, t: int, rows: Tensor | None) -> State:
        (h,) = state
        zr, zu, zn = z.chunk(3, dim=1)
        hr, hu, hn = self.recur(h, t, rows).chunk(3, dim=1)
        reset, update = (zr + hr).sigmoid(), (zu + hu).sigmoid()
        n = self.act(zn + reset * hn)
        return (n + update * (h - n),)
