"""Cells into layers, layers into a network: depth, direction, attention, dropout, head."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property

import torch
from torch import Tensor, nn

from bench.attention import Attention
from bench.cells import CELLS, Cell, State
from bench.core import NoBackend, choose, eager, scan
from bench.dropout import Dropout
from bench.initial import initialise
from bench.reference import MODELS
from bench.rng import derived
from bench.sequences import mask
from bench.spec import Architecture, Backend, Stabilisation
from bench.technique import made, settle
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
    """One recurrent layer, with a second cell that reads from the end if bidirectional.

    With truncation (Williams & Peng 1990) the gradient is cut every `cut` steps: no state hands it on from one piece of
    the sequence to the piece before. The states themselves go on, so every value stays what it is. Noise is drawn for
    each piece.
    """

    def __init__(self, ahead: Cell, back: Cell | None, wanted: Backend = "auto", cut: int | None = None) -> None:
        super().__init__()
        self.ahead, self.back, self.wanted, self.cut = ahead, back, wanted, cut
        self.trace: list[Tensor] | None = None  # a list makes the next pass eager and collects its states (probes)

    @property
    def cells(self) -> tuple[Cell, ...]:
        return (self.ahead,) if self.back is None else (self.ahead, self.back)

    def forward(self, x: Tensor, state: State | None, lengths: Tensor | None) -> tuple[Tensor, State]:
        """Outputs, (time, batch, hidden or 2 * hidden), and the forward direction's last state."""
        if self.cut is None or not torch.is_grad_enabled():
            return self._pass(x, state, lengths)
        outputs = []
        for piece in x.split(self.cut):  # without lengths: behind an end anything may stand
            y, state = self._pass(piece, state, None)
            state = tuple(part.detach() for part in state)
            outputs.append(y)
        assert state is not None, "a sequence has a step at least"
        return torch.cat(outputs), state

    def _pass(self, x: Tensor, state: State | None, lengths: Tensor | None) -> tuple[Tensor, State]:
        if self.trace is not None:
            return eager(self.cells, x, state, lengths, self.trace)
        return scan(self.cells, x, state, lengths, self.wanted)


class Network(nn.Module):
    """Embedding (symbols), recurrent layers, attention, linear head; weights drawn from the seed's own streams.

    Dropout stands after the embedding and after each layer. A weight's initial value depends on the seed, its name and
    its shape alone, so that techniques start from the same point wherever their shapes agree. A reference model stands
    in the place of all layers. With residual connections (Kim, El-Khamy & Lee 2017) each layer but the first adds to
    what it reads. Tied (Inan, Khosravi & Socher 2017; Press & Wolf 2017), the head's matrix is the embedding: the width
    stays, so the network has fewer parameters than its budget.
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
        self.shape, self.width, self.residual = shape, width, architecture.residual
        model, kind = MODELS.get(architecture.cell), CELLS.get(architecture.cell)
        if model is None and kind is None:
            raise KeyError(f"no cell is called {architecture.cell!r} here; is its plug-in loaded?")
        state = width if kind is None else kind.out(width)
        # from_pretrained: the weights are drawn in initialise, once
        self.embed = (
            nn.Embedding.from_pretrained(torch.empty(shape.inputs, state), freeze=False) if shape.symbols else None
        )
        self.dropout = Dropout(stabilisation.dropout, stabilisation.dropout_kind, stabilisation.embedding_dropout)
        self.wanted = backend
        self.penalised = bool(stabilisation.activation_penalty or stabilisation.temporal_penalty)
        self.top: tuple[Tensor, Tensor] | None = None  # of a training pass, where `penalised` (bench.penalties)
        features = state if shape.symbols else shape.inputs

        layers: list[nn.Module] = []
        if model is not None:
            layers.append(model(features, width, architecture.depth, shape.time, self.dropout))
            features = width
        for _ in range(0 if kind is None else architecture.depth):
            assert kind is not None
            ahead = kind(features, width, stabilisation, shape.time)
            back = kind(features, width, stabilisation, shape.time) if architecture.bidirectional else None
            layers.append(Layer(ahead, back, backend, stabilisation.bptt))
            features = state * (1 if back is None else 2)
        self.layers = nn.ModuleList(layers)
        self.attention = Attention(features, shape.causal) if architecture.attention else None
        self.head = nn.Linear(features, shape.outputs)
        if stabilisation.tied:
            assert self.embed is not None, "bench.sense lets nobody tie what is not there"
            self.head.weight = self.embed.weight
        if not self.head.weight.is_meta:  # only counted; and normal_ on meta loads torch's compiler
            initialise(self, width, stabilisation, shape.time, seed)
        self.own = made(stabilisation.own)
        if stabilisation.own is not None:
            settle(self.own, self, derived(seed, "own"))

    @property
    def cells(self) -> list[Cell]:
        return [module for module in self.modules() if isinstance(module, Cell)]

    @property
    def recurrent(self) -> bool:
        """Whether there is a recurrence; the reference models have none."""
        return isinstance(self.layers[0], Layer)

    @property
    def backend(self) -> str:
        """The back end of the recurrence: every cell of a network is of one kind. Raises NoBackend."""
        layer = self.layers[0]
        if not isinstance(layer, Layer):
            if self.wanted not in ("auto", "eager"):
                raise NoBackend(f"back end {self.wanted}: a reference model has no recurrence; try auto")
            return "eager"
        return choose(layer.cells, next(self.parameters()).device, layer.wanted)

    @property
    def hidden(self) -> list[nn.Parameter]:
        """The weights of the hidden layers and of attention: neither embedding nor head."""
        attention = [] if self.attention is None else self.attention.parameters()
        return [*self.layers.parameters(), *attention]

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
            x = self.dropout(self.dropout.embedded(self.embed, x))
        states = []
        for i, layer in enumerate(self.layers):
            raw, last = layer(x, state[i] if state else None, ragged)
            dropped = self.dropout(raw)
            x = x + dropped if self.residual and i > 0 else dropped
            states.append(tuple(part.detach() for part in last))
        self.top = (raw, dropped) if self.penalised and self.training else None
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
        top = self.layers[-1]
        if not isinstance(top, Layer) or top.back is None:
            return last
        half = x.shape[2] // 2
        return torch.cat([last[:, :half], x[0, :, half:]], dim=1)


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
