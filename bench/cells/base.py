"""What a cell is: its weights, and the equations of one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.normalisation import Plain, Recurrent
from bench.spec import Activation, BatchNorm

State = tuple[Tensor, ...]
"""h first, then whatever else the cell remembers, each (batch, hidden)."""

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "tanh": Tensor.tanh,
    "relu": F.relu,
    "leaky-relu": F.leaky_relu,
    "hardtanh": F.hardtanh,
}


class Cell(nn.Module):
    """One direction of one layer. `step` is the specification; every back end must agree with it.

    The weights live in torch's own layer, the `twin`: the fused back end calls it, the eager one reads its weights,
    so that both run on the same parameters.
    """

    gates: ClassVar[int]
    states: ClassVar[int]
    fused_activations: ClassVar[tuple[Activation, ...]] = ("tanh",)  # what the twin can compute

    def __init__(
        self, inputs: int, hidden: int, activation: Activation = "tanh", norm: BatchNorm | None = None, time: int = 1
    ) -> None:
        """`time` is the longest sequence of the training data: how many time steps have statistics of their own."""
        super().__init__()
        self.hidden = hidden
        self.activation = activation
        self.act = ACTIVATIONS[activation]
        self.weights = self.twin(inputs, hidden)
        self.input_norm, self.recurrent_norm, self.cell_norm = self._norms(norm, time)

    def twin(self, inputs: int, hidden: int) -> nn.RNNBase:
        """torch's layer of this cell."""
        raise NotImplementedError

    def _norms(self, norm: BatchNorm | None, time: int) -> tuple[nn.Module, nn.Module, nn.Module]:
        wide = self.gates * self.hidden
        if norm == "recurrent":
            cell = Recurrent(self.hidden, time, shift=True) if self.states > 1 else Plain()
            return Recurrent(wide, time), Recurrent(wide, time), cell
        return (Recurrent(wide, 1, gamma=1.0) if norm == "input" else Plain()), Plain(), Plain()

    @property
    def fused(self) -> bool:
        """Whether torch's own layer computes exactly this cell."""
        return self.activation in self.fused_activations and isinstance(self.input_norm, Plain)

    def weight(self, name: str) -> Tensor:
        """One of the twin's weights: weight_ih, weight_hh, bias_ih or bias_hh."""
        found: Tensor = getattr(self.weights, f"{name}_l0")
        return found

    def initial(self, like: Tensor) -> State:
        """Zero states for a (time, batch, feature) input."""
        return (like.new_zeros(like.shape[1], self.hidden),) * self.states

    def project(self, x: Tensor, valid: Tensor | None) -> list[Tensor]:
        """The inputs' part of the gates for every step, (batch, gates * hidden) each, computed outside the loop.

        x: (time, batch, feature), valid: (time, batch) or None.
        """
        z = F.linear(x, self.weight("weight_ih"))
        if isinstance(self.input_norm, Recurrent):
            if self.input_norm.steps == 1:  # one statistic over batch and time
                rows = None if valid is None else valid.flatten()
                z = self.input_norm(z.flatten(0, 1), 0, rows).view_as(z)
            else:
                parts = enumerate(z.unbind(0))
                z = torch.stack([self.input_norm(part, t, None if valid is None else valid[t]) for t, part in parts])
        return list((z + self.weight("bias_ih")).unbind(0))

    def recur(self, h: Tensor, t: int, rows: Tensor | None) -> Tensor:
        """The state's part of the gates, (batch, gates * hidden)."""
        normed: Tensor = self.recurrent_norm(F.linear(h, self.weight("weight_hh")), t, rows)
        return normed + self.weight("bias_hh")

    def step(self, z: Tensor, state: State, t: int, rows: Tensor | None) -> State:
        """The state after one step.

        z: (batch, gates * hidden) from `project`; t: the time step; rows: (batch,) True where the sequence has not
        ended, or None for all. Only batch normalisation looks at the last two.
        """
        raise NotImplementedError
