"""The simple recurrent network."""

from __future__ import annotations

from torch import Tensor, nn

from bench.cells.base import Cell, State


class RNN(Cell):
    """Simple recurrent network (Elman 1990)."""

    gates, states = 1, 1
    fused_activations = ("tanh", "relu")

    def twin(self, inputs: int, hidden: int) -> nn.RNNBase:
        return nn.RNN(inputs, hidden, nonlinearity="relu" if self.activation == "relu" else "tanh")

    def step(self, z: Tensor, state: State, t: int, rows: Tensor | None) -> State:
        return (self.act(z + self.recur(state[0], t, rows)),)
