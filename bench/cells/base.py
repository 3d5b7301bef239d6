"""What a cell is: its weights, and the equations of one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench import noise
from bench.noise import Noise
from bench.normalisation import Plain, Recurrent, Units
from bench.spec import Activation, Stabilisation

State = tuple[Tensor, ...]
"""h first, then whatever else the cell remembers, each (batch, hidden); h of a projection is narrower."""

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


class Weights(nn.Module):
    """The weights of a cell that torch does not have, under torch's names and from torch's distribution."""

    def __init__(self, hidden: int, **shapes: tuple[int, ...]) -> None:
        super().__init__()
        bound = hidden**-0.5
        for name, shape in shapes.items():
            self.register_parameter(f"{name}_l0", nn.Parameter(torch.empty(shape).uniform_(-bound, bound)))


class Cell(nn.Module):
    """One direction of one layer. `step` is the specification; every back end must agree with it.

    The weights live in torch's own layer, the `twin`: the fused back end calls it, the others read its weights, so
    that all run on the same parameters. With weight normalisation (Salimans & Kingma 2016) the twin holds the direction
    of each row of W_ih and W_hh, and `gains` how long it is; what is computed with is made of the two in every pass.
    """

    gates: ClassVar[int]
    states: ClassVar[int]
    kernel: ClassVar[Literal["rnn", "lstm", "gru"] | None] = None  # the hand-written loop of this cell, if there is one
    exact: ClassVar[tuple[Activation, ...]] = ("tanh",)  # activations with which the twin is this cell
    keeps: ClassVar[int | None] = None  # which of the gates, in their order, keeps the memory where it is open
    writes: ClassVar[int | None] = None  # which gate lets the candidate in, where that is not what the other shuts out

    def __init__(self, inputs: int, hidden: int, recipe: Stabilisation | None = None, time: int = 1) -> None:
        """`time` is the longest sequence of the training data: how many time steps have statistics of their own."""
        super().__init__()
        self.hidden = hidden
        self.recipe = recipe or Stabilisation()
        self.activation = self.activated(self.recipe.activation)
        self.act = ACTIVATIONS[self.activation]
        self.noisy = True  # without noise, training sees its expectation, as evaluation does (probes)
        self.weights = self.twin(inputs, hidden)
        self.gains = nn.ParameterDict({name: _rows(self.raw(name)) for name in self._normed()})
        self.input_norm, self.recurrent_norm, self.cell_norm = self._norms(time)

    def activated(self, asked: Activation) -> Activation:
        """The activation of the cell where this one was asked for."""
        return asked

    @classmethod
    def out(cls, hidden: int) -> int:
        """The size of h where the memory has this size."""
        return hidden

    def twin(self, inputs: int, hidden: int) -> nn.Module:
        """torch's layer of this cell, or `Weights`."""
        raise NotImplementedError

    def settle(self) -> None:
        """Initial values that the cell's paper sets by hand, after all others have been drawn."""

    def measure(self) -> None:
        """Weight normalisation begins with the rows as long as they are: the network starts as it would without."""
        with torch.no_grad():
            for name, gain in self.gains.items():
                gain.copy_(_rows(self.raw(name)))

    def _normed(self) -> list[str]:
        """The matrices under weight normalisation."""
        asked = ("weight_ih", "weight_hh") if self.recipe.weight_norm else ()
        return [name for name in asked if hasattr(self.weights, f"{name}_l0") and self.raw(name).dim() > 1]

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

    def raw(self, name: str) -> Tensor:
        """One of the twin's weights as it is trained: weight_ih, weight_hh, bias_ih or bias_hh."""
        found: Tensor = getattr(self.weights, f"{name}_l0")
        return found

    def weight(self, name: str) -> Tensor:
        """The same as it is computed with, after weight normalisation."""
        found = self.raw(name)
        return found if name not in self.gains else found * (self.gains[name] / _rows(found)).unsqueeze(1)

    def recurrent_weight(self) -> Tensor:
        """W_hh, (gates * hidden, hidden), after weight drop."""
        return noise.drop_weights(self.weight("weight_hh"), self.recipe.weight_drop, self.training and self.noisy)

    def noise(self, time: int, like: Tensor) -> Noise:
        """Recurrent dropout and zoneout of one pass over (time, batch, feature)."""
        shape = (time, like.shape[1], self.hidden)
        return noise.draw(self.recipe, self.training and self.noisy, self.states, shape, like.device)

    def initial(self, like: Tensor) -> State:
        """Zero states for a (time, batch, feature) input."""
        h, memory = (like.new_zeros(like.shape[1], size) for size in (self.out(self.hidden), self.hidden))
        return (h, *(memory,) * (self.states - 1))

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


def _rows(weight: Tensor) -> Tensor:
    """The length of each row."""
    return weight.norm(dim=1)
