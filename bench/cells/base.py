"""What a cell is: its weights, and the equations of one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from bench import noise
from bench.noise import Noise
from bench.normalisation import Plain, Recurrent, Units
from bench.spec import Activation, Stabilisation

State = tuple[Tensor, ...]
"""h first, then whatever else the cell remembers, each (batch, hidden)."""

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "tanh": Tensor.tanh,
    "relu": F.relu,
    "leaky-relu": F.leaky_relu,
    "hardtanh": F.hardtanh,
}


@dataclass(frozen=True)
class Now:
    """What one step is told beside its input and its state."""

    t: int  # the time step, counted from where this direction begins to read
    rows: Tensor | None  # (batch,) True where the sequence has not ended, None for all: batch normalisation asks
    weight: Tensor  # the recurrent matrix of this pass, (gates * hidden, hidden): weight drop has been at it
    noise: Noise  # recurrent dropout and zoneout of this pass


class Cell(nn.Module):
    """One direction of one layer. `step` is the specification; every back end must agree with it.

    The weights live in torch's own layer, the `twin`: the fused back end calls it, the others read its weights, so
    that all run on the same parameters.
    """

    gates: ClassVar[int]
    states: ClassVar[int]
    kernel: ClassVar[Literal["rnn", "lstm", "gru"] | None] = None  # the hand-written loop of this cell, if there is one
    exact: ClassVar[tuple[Activation, ...]] = ("tanh",)  # activations with which the twin is this cell

    def __init__(self, inputs: int, hidden: int, recipe: Stabilisation | None = None, time: int = 1) -> None:
        """`time` is the longest sequence of the training data: how many time steps have statistics of their own."""
        super().__init__()
        self.hidden = hidden
        self.recipe = recipe or Stabilisation()
        self.activation = self.activated(self.recipe.activation)
        self.act = ACTIVATIONS[self.activation]
        self.noisy = True  # without noise, training sees its expectation, as evaluation does (probes)
        self.weights = self.twin(inputs, hidden)
        self.input_norm, self.recurrent_norm, self.cell_norm = self._norms(time)

    def activated(self, asked: Activation) -> Activation:
        """The activation of the cell where this one was asked for."""
        return asked

    def twin(self, inputs: int, hidden: int) -> nn.RNNBase:
        """torch's layer of this cell."""
        raise NotImplementedError

    def settle(self) -> None:
        """Initial values that the cell's paper sets by hand, after all others have been drawn."""

    def _norms(self, time: int) -> tuple[nn.Module, nn.Module, nn.Module]:
        """Of the input's part of the gates, of the state's part, and of the LSTM's memory on its way to h."""
        wide, memory = self.gates * self.hidden, self.states > 1
        if self.recipe.layer_norm:
            return Units(wide), Units(wide), Units(self.hidden, shift=True) if memory else Plain()
        if self.recipe.batch_norm == "recurrent":
            cell = Recurrent(self.hidden, time, shift=True) if memory else Plain()
            return Recurrent(wide, time), Recurrent(wide, time), cell
        first = Recurrent(wide, 1, gamma=1.0) if self.recipe.batch_norm == "input" else Plain()
        return first, Plain(), Plain()

    def weight(self, name: str) -> Tensor:
        """One of the twin's weights: weight_ih, weight_hh, bias_ih or bias_hh."""
        found: Tensor = getattr(self.weights, f"{name}_l0")
        return found

    def recurrent_weight(self) -> Tensor:
        """W_hh, (gates * hidden, hidden), after weight drop."""
        return noise.drop_weights(self.weight("weight_hh"), self.recipe.weight_drop, self.training and self.noisy)

    def noise(self, time: int, like: Tensor) -> Noise:
        """Recurrent dropout and zoneout of one pass over (time, batch, feature)."""
        shape = (time, like.shape[1], self.hidden)
        return noise.draw(self.recipe, self.training and self.noisy, self.states, shape, like.device)

    def initial(self, like: Tensor) -> State:
        """Zero states for a (time, batch, feature) input."""
        return (like.new_zeros(like.shape[1], self.hidden),) * self.states

    def project(self, x: Tensor, valid: Tensor | None) -> list[Tensor]:
        """The inputs' part of the gates for every step, (batch, gates * hidden) each, computed outside the loop.

        x: (time, batch, feature), valid: (time, batch) or None.
        """
        z = F.linear(x, self.weight("weight_ih"))
        if isinstance(self.input_norm, Recurrent):
            z = self.input_norm.whole(z, valid)
        elif isinstance(self.input_norm, Units):
            z = self.input_norm(z, 0, None)
        return list((z + self.weight("bias_ih")).unbind(0))

    def recur(self, h: Tensor, now: Now) -> Tensor:
        """The state's part of the gates, (batch, gates * hidden)."""
        normed: Tensor = self.recurrent_norm(F.linear(h, now.weight), now.t, now.rows)
        return normed + self.weight("bias_hh")

    def step(self, z: Tensor, state: State, now: Now) -> State:
        """The state after one step, before zoneout. z: (batch, gates * hidden) from `project`."""
        raise NotImplementedError
