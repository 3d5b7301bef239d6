"""The simple recurrent network, and its start from the identity."""

from __future__ import annotations

from torch import Tensor, nn

from bench.cells.base import Cell, Now, State
from bench.spec import Activation


class RNN(Cell):
    """Simple recurrent network (Elman 1990)."""

    gates, states, kernel = 1, 1, "rnn"
    exact = ("tanh", "relu")

    def twin(self, inputs: int, hidden: int) -> nn.RNNBase:
        return nn.RNN(inputs, hidden, nonlinearity="relu" if self.activation == "relu" else "tanh")

    def step(self, z: Tensor, state: State, now: Now) -> State:
        return (now.noise.drop(self.act(z + self.recur(state[0], now)), now.t),)


class IRNN(RNN):
    """ReLU network that begins as an integrator (Le, Jaitly & Hinton 2015): W_hh the identity, biases zero."""

    def activated(self, asked: Activation) -> Activation:
        return "relu" if asked == "tanh" else asked

    def settle(self) -> None:
        nn.init.eye_(self.weight("weight_hh"))
        nn.init.zeros_(self.weight("bias_ih"))
        nn.init.zeros_(self.weight("bias_hh"))
