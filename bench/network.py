"""Cells into layers, layers into a network: depth, direction, attention, dropout, head."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property

import torch
from torch import Tensor, nn

from bench.attention import Attention
from bench.cells import CELLS, Cell, State
from bench.core import choose, eager, scan
from bench.dropout import Dropout
from bench.rng import stream
from bench.sequences import mask
from bench.spec import Architecture, Backend, Stabilisation
from tasks.base import Batch, Task


@dataclass(frozen=True)
class Shape:
    """What a network must know of its task."""

    inputs: int
    outputs: int
    symbols: bool
    per_step: bool
    causal: bool
    time: int

    @classmethod
    def of(cls, task: Task) -> Shape:
        return cls(task.inputs, task.outputs, task.symbols, task.per_step, task.card.causal, task.time)


class Layer(nn.Module):
    """One recurrent layer, with a second cell that reads from the end if bidirectional."""

    def __init__(self, ahead: Cell, back: Cell | None, wanted: Backend = "auto") -> None:
        super().__init__()
        self.ahead, self.back, self.wanted = ahead, back, wanted
        self.trace: list[Tensor] | None = None  # a list makes the next pass eager and collects its states (probes)

    @property
    def cells(self) -> tuple[Cell, ...]:
        return (self.ahead,) if self.back is None else (self.ahead, self.back)

    def forward(self, x: Tensor, state: State | None, lengths: Tensor | None) -> tuple[Tensor, State]:
        """Outputs, (time, batch, hidden or 2 * hidden), and the forward direction's last state."""
        if self.trace is not None:
            return eager(self.cells, x, state, lengths, self.trace)
        return scan(self.cells, x, state, lengths, self.wanted)


class Network(nn.Module):
    """Embedding (symbols), recurrent layers, attention, linear head; weights drawn from the seed's own streams.

    Dropout stands after the embedding and after each layer. A weight's initial value depends on the seed, its name and
    its shape alone, so that techniques start from the same point wherever their shapes agree.
    """

    def __init__(
        self,
        shape: Shape,
        architecture: Architecture,
        stabilisation: Stabilisation,
        width: int,
        seed: int,
        backend: Backend = "auto",
    ) -> None:
        super().__init__()
        self.shape, self.width = shape, width
        # from_pretrained: the weights are drawn in _initialise, once
        empty = torch.empty(shape.inputs, width)
        self.embed = nn.Embedding.from_pretrained(empty, freeze=False) if shape.symbols else None
        self.dropout = Dropout(stabilisation.dropout, stabilisation.dropout_kind)
        features = width if shape.symbols else shape.inputs

        def cell(inputs: int) -> Cell:
            return CELLS[architecture.cell](inputs, width, stabilisation, shape.time)

        layers = []
        for _ in range(architecture.depth):
            layers.append(Layer(cell(features), cell(features) if architecture.bidirectional else None, backend))
            features = width * (2 if architecture.bidirectional else 1)
        self.layers = nn.ModuleList(layers)
        self.attention = Attention(features, shape.causal) if architecture.attention else None
        self.head = nn.Linear(features, shape.outputs)
        self._initialise(seed)

    def _initialise(self, seed: int) -> None:
        """torch's own distributions, each weight from its own stream: 1/sqrt(width) for cells, 1/sqrt(inputs) else."""
        if next(self.parameters()).is_meta:  # only counted; and normal_ on meta loads torch's compiler
            return
        for name, weight in self.named_parameters():
            generator = stream(seed, "init", name)
            with torch.no_grad():
                if name.startswith("embed."):
                    weight.normal_(generator=generator)
                elif "norm." not in name:
                    owner = self.get_submodule(name.rpartition(".")[0])
                    inputs = owner.in_features if isinstance(owner, nn.Linear) else self.width
                    weight.uniform_(-(inputs**-0.5), inputs**-0.5, generator=generator)
        with torch.no_grad():
            for cell in self.cells:
                cell.settle()

    @property
    def cells(self) -> list[Cell]:
        return [module for module in self.modules() if isinstance(module, Cell)]

    @property
    def backend(self) -> str:
        """The back end of the recurrence: every cell of a network is of one kind."""
        layer = self.layers[0]
        assert isinstance(layer, Layer)
        return choose(layer.cells, next(self.parameters()).device, layer.wanted)

    @cached_property
    def matrices(self) -> list[nn.Parameter]:
        """What L2 shrinks: weight matrices, no biases and no normalisation gains."""
        return [weight for weight in self.parameters() if weight.dim() > 1]

    def forward(self, batch: Batch, state: list[State] | None = None) -> tuple[Tensor, list[State]]:
        """(batch, outputs), or (batch, time, outputs) with one a step; and each layer's last state, detached."""
        x = batch.x.transpose(0, 1)
        lengths = batch.lengths
        ragged = lengths if lengths is not None and int(lengths.min()) < len(x) else None
        if self.embed is not None:
            x = self.dropout(self.embed(x))
        states = []
        for i, layer in enumerate(self.layers):
            x, last = layer(x, state[i] if state else None, ragged)
            x = self.dropout(x)
            states.append(tuple(part.detach() for part in last))
        return self._read(x, lengths, mask(x, ragged)), states

    def _read(self, x: Tensor, lengths: Tensor | None, valid: Tensor | None) -> Tensor:
        """The outputs from the top layer's states, (time, batch, feature)."""
        query = x.transpose(0, 1) if self.shape.per_step else self._final(x, lengths).unsqueeze(1)
        if self.attention is not None:
            query = self.attention(query, x.transpose(0, 1), None if valid is None else valid.t())
        out: Tensor = self.head(query)
        return out if self.shape.per_step else out.squeeze(1)

    def _final(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """The state in which each direction has read the whole sequence, (batch, feature)."""
        if lengths is None:
            last = x[-1]
        else:
            index = (lengths - 1).to(x.device).view(1, -1, 1).expand(1, -1, x.shape[2])
            last = x.gather(0, index).squeeze(0)
        if x.shape[2] == self.width:
            return last
        return torch.cat([last[:, : self.width], x[0, :, self.width :]], dim=1)


def count(shape: Shape, architecture: Architecture, width: int) -> int:
    """Trainable parameters of the plain network of this width."""
    with torch.device("meta"):
        network = Network(shape, architecture, Stabilisation(), width, seed=0)
    return sum(weight.numel() for weight in network.parameters())


@cache
def solve_width(shape: Shape, architecture: Architecture, parameters: int) -> int:
    """The width whose network comes closest to this many parameters: the fair comparison of architectures.

    Normalisation gains are not counted, so that every stabilisation starts from the same weights.
    """
    low, high = 1, 2
    while count(shape, architecture, high) < parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(shape, architecture, middle) <= parameters else (low, middle)
    return min((low, high), key=lambda width: abs(math.log(count(shape, architecture, width) / parameters)))
