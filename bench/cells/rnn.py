"""The simple recurrent network, its start from the identity, and its units apart from each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.cells.base import Cell, Now, State, Weights
from bench.spec import Activation, Stabilisation


class RNN(Cell):
    """Simple recurrent network (Elman 1990)."""

    gates, states, kernel = 1, 1, "rnn"
    exact = ("tanh", "relu")

    def twin(self, inputs: int, hidden: int) -> nn.Module:
        return nn.RNN(inputs, hidden, nonlinearity="relu" if self.activation == "relu" else "tanh")

    def step(self, z: Tensor, state: State, now: Now) -> State:
        return (now.noise.drop(self.act(z + self.recur(state[0], now)), now.t),)


class IRNN(RNN):
    """ReLU network that begins as an integrator (Le, Jaitly & Hinton 2015): W_hh the identity, biases zero."""

    def activated(self, asked: Activation) -> Activation:
        return "relu" if asked == "tanh" else asked

    def settle(self) -> None:
        nn.init.eye_(self.raw("weight_hh"))
        nn.init.zeros_(self.raw("bias_ih"))
        nn.init.zeros_(self.raw("bias_hh"))


class IndRNN(Cell):
    """ReLU network whose units see their own past alone (Li et al. 2018): h = relu(W x + u * h + b).

    u begins uniform in [0, 2**(1 / time)]: the bound under which no unit more than doubles its gradient over the
    longest sequence. Training may leave that range; the paper clips u there.
    """

    gates, states, exact = 1, 1, ()

    def __init__(self, inputs: int, hidden: int, recipe: Stabilisation | None = None, time: int = 1) -> None:
        super().__init__(inputs, hidden, recipe, time)
        self.bound = 2 ** (1 / time)

    def activated(self, asked: Activation) -> Activation:
        return "relu" if asked == "tanh" else asked

    def twin(self, inputs: int, hidden: int) -> nn.Module:
        return Weights(hidden, weight_ih=(hidden, inputs), weight_hh=(hidden,), bias_ih=(hidden,), bias_hh=(hidden,))

    def settle(self) -> None:
        with torch.no_grad():  # what was drawn is uniform in +-1 / sqrt(hidden)
            self.raw("weight_hh").abs_().mul_(self.bound * self.hidden**0.5)

    def recur(self, h: Tensor, now: Now) -> Tensor:
        normed: Tensor = self.recurrent_norm(now.weight * h, now.t, now.rows)
        return normed + self.weight("bias_hh")

    def step(self, z: Tensor, state: State, now: Now) -> State:
        return (now.noise.drop(self.act(z + self.recur(state[0], now)), now.t),)
