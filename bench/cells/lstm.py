"""LSTM, and those that differ from it in one thing: peepholes, coupled gates, a projection."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.cells.base import Cell, Now, State, Weights
from bench.noise import Noise
from bench.spec import Stabilisation


class LSTM(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000), gates ordered as in torch.nn.LSTM.

    With layer normalisation (Ba, Kiros & Hinton 2016, equations 20 to 22): of W x and of W h, each over all four gates
    at once, and of c on its way to h; the c that is carried on stays as it is.
    """

    gates, states, kernel = 4, 2, "lstm"
    writes, keeps = 0, 1

    def twin(self, inputs: int, hidden: int) -> nn.Module:
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


class Coupled(Cell):
    """LSTM that writes what it forgets: the input gate is 1 - f (CIFG of Greff et al. 2017). Gates f, g, o."""

    gates, states, keeps, exact = 3, 2, 0, ()

    def twin(self, inputs: int, hidden: int) -> nn.Module:
        rows = self.gates * hidden
        biases = {"bias_ih": (rows,), "bias_hh": (rows,)}
        return Weights(hidden, weight_ih=(rows, inputs), weight_hh=(rows, hidden), **biases)

    def step(self, z: Tensor, state: State, now: Now) -> State:
        h, c = state
        f, g, o = (z + self.recur(h, now)).chunk(3, dim=1)
        keep = f.sigmoid()
        c = keep * c + (1 - keep) * now.noise.drop(self.act(g), now.t)
        return o.sigmoid() * self.act(self.cell_norm(c, now.t, now.rows)), c


class Projection(Cell):
    """LSTM whose state is a projection of its output, a quarter as wide as the memory (Sak, Senior & Beaufays 2014).

    As torch.nn.LSTM with proj_size: the gates and the next layer read the projection alone. A memory of one unit is its
    own projection.
    """

    gates, states = 4, 2
    writes, keeps = 0, 1

    @classmethod
    def out(cls, hidden: int) -> int:
        return -(-hidden // 4)

    def twin(self, inputs: int, hidden: int) -> nn.Module:
        return nn.LSTM(inputs, hidden, proj_size=self.out(hidden) if hidden > 1 else 0)

    def noise(self, time: int, like: Tensor) -> Noise:
        drawn, size = super().noise(time, like), self.out(self.hidden)
        first = [keep[..., :size] if isinstance(keep, Tensor) else keep for keep in drawn.keep[:1]]
        return replace(drawn, keep=(*first, *drawn.keep[1:]))

    def step(self, z: Tensor, state: State, now: Now) -> State:
        h, c = state
        i, f, g, o = (z + self.recur(h, now)).chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * now.noise.drop(self.act(g), now.t)
        wide = o.sigmoid() * self.act(self.cell_norm(c, now.t, now.rows))
        return (F.linear(wide, self.weight("weight_hr")) if self.hidden > 1 else wide), c
