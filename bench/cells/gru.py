"""GRU."""

from __future__ import annotations

from torch import Tensor, nn

from bench.cells.base import Cell, Now, State


class GRU(Cell):
    """Gated recurrent unit (Cho et al. 2014) as torch.nn.GRU computes it: the reset gate after the matrix product."""

    gates, states, kernel = 3, 1, "gru"
    keeps = 1

    def twin(self, inputs: int, hidden: int) -> nn.Module:
        return nn.GRU(inputs, hidden)

    def step(self, z: Tensor, state: State, now: Now) -> State:
        (h,) = state
        zr, zu, zn = z.chunk(3, dim=1)
        hr, hu, hn = self.recur(h, now).chunk(3, dim=1)
        reset, update = (zr + hr).sigmoid(), (zu + hu).sigmoid()
        n = now.noise.drop(self.act(zn + reset * hn), now.t)
        return (n + update * (h - n),)
