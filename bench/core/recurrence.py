"""What is left of a layer when everything outside the loop is done: one value, which `fn`, `cpp` and `triton` compute.

The input projection, the noise and the weight drop are done here, for both directions at once, with ordinary autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.cells.base import Cell, State
from bench.noise import Noise
from bench.normalisation import Recurrent, Units
from bench.sequences import mask, reverse
from bench.spec import Activation

Linear = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Norms:
    """What is normalised in the loop: z_t, W h, and the LSTM's c on its way to h. Each has a gain, c a shift too."""

    kind: Literal["units", "batch"]  # layer normalisation, or recurrent batch normalisation
    gain_z: Tensor  # (directions, gates * hidden)
    gain_r: Tensor  # (directions, gates * hidden)
    gain_c: Tensor | None  # (directions, hidden); None for cells without memory
    shift_c: Tensor | None
    populations: tuple[tuple[Recurrent, ...], ...]  # of z, W h and c for each direction; empty for layer normalisation


@dataclass(frozen=True)
class Recurrence:
    """A layer's loop: gates z_t + W_hh h_{t-1} + bias, normalised or not, then the cell's pointwise part, for every t.

    `directions` recurrences side by side, each with parameters of its own. z is (time, batch, directions * gates *
    hidden), the states come out as (time, batch, directions * hidden); all other tensors have the direction first.
    """

    kernel: Literal["rnn", "lstm", "gru"]
    activation: Activation
    z: Tensor  # the inputs' part of the gates, without bias; a back end may write over it: nobody else holds it
    weight: Tensor  # (directions, gates * hidden, hidden)
    bias: Tensor  # (directions, gates * hidden): both of torch's biases, but for the GRU's candidate its outer one
    bias_m: Tensor | None  # (directions, hidden): the GRU's bias inside the reset gate's bracket
    peepholes: Tensor | None  # (directions, 3, hidden): to i, f and o
    state: State  # (directions, batch, hidden) each
    norms: Norms | None
    noise: tuple[Noise, ...]  # one a direction, by position, whichever way it is read
    lengths: Tensor | None  # (batch,): where a sequence ends; None where all are as long as the batch
    backward: tuple[bool, ...]  # whether a direction reads from the end
    training: bool  # batch normalisation uses and counts the batch

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Time, batch, directions, hidden."""
        return len(self.z), self.z.shape[1], len(self.weight), self.weight.shape[2]

    @property
    def tensors(self) -> tuple[Tensor | None, ...]:
        """What a gradient is wanted of, in the order in which back ends hand gradients back."""
        n = self.norms
        normed = (None,) * 4 if n is None else (n.gain_z, n.gain_r, n.gain_c, n.shift_c)
        memory = self.state[1] if len(self.state) > 1 else None
        return self.z, self.weight, self.bias, self.bias_m, self.peepholes, *normed, self.state[0], memory


def prepare(
    cells: Sequence[Cell], x: Tensor, state: State | None, lengths: Tensor | None, linear: Linear = F.linear
) -> Recurrence:
    """The recurrence of these cells, the second one reading from the end, over x: (time, batch, feature).

    linear: how a back end would have x W' computed.
    """
    first = cells[0]
    assert first.kernel is not None, "core.obstacle() lets nobody come here without a loop"
    batchwise = isinstance(first.recurrent_norm, Recurrent)
    drawn = [(c.recurrent_weight(), c.noise(len(x), x)) for c in cells]
    noises = [noise for _, noise in drawn]
    backward = tuple(bool(d) for d in range(len(cells)))
    if batchwise and len(cells) > 1:
        # statistics belong to a step counted from where a direction begins, so the second one gets an order of its own
        z = torch.cat([_project(cells[:1], x, linear), _project(cells[1:], reverse(x, lengths), linear)], dim=2)
        noises[1] = noises[1].turned(lengths)
        backward = (False, False)
    else:
        z = _project(cells, x, linear)
    if isinstance(first.input_norm, Recurrent) and not batchwise:
        z = _over_frames(cells, z, mask(x, lengths))
    starts = [c.initial(x) for c in cells]
    if state is not None:
        starts[0] = state
    bias, bias_m = _biases(cells)
    return Recurrence(
        kernel=first.kernel,
        activation=first.activation,
        z=z,
        weight=side_by_side([weight for weight, _ in drawn]),
        bias=bias,
        bias_m=bias_m,
        peepholes=_found(getattr(c, "peepholes", None) for c in cells),
        state=tuple(side_by_side(parts) for parts in zip(*starts, strict=True)),
        norms=_norms(cells),
        noise=tuple(noises),
        lengths=lengths,
        backward=backward,
        training=first.training,
    )


def in_order(recurrence: Recurrence, y: Tensor) -> Tensor:
    """The states by position: batch normalisation had the second direction's sequences turned round."""
    if recurrence.norms is None or recurrence.norms.kind == "units" or len(recurrence.weight) == 1:
        return y
    ahead, back = y.chunk(2, dim=2)
    return torch.cat([ahead, reverse(back, recurrence.lengths)], dim=2)


def _project(cells: Sequence[Cell], x: Tensor, linear: Linear) -> Tensor:
    """W x of all these cells in one product."""
    weights = [c.weight("weight_ih") for c in cells]
    return linear(x, weights[0] if len(weights) == 1 else torch.cat(weights))


def _over_frames(cells: Sequence[Cell], z: Tensor, valid: Tensor | None) -> Tensor:
    """W x normalised with one statistic over batch and time (Laurent et al. 2015)."""
    parts = []
    for cell, part in zip(cells, z.chunk(len(cells), 2), strict=True):
        assert isinstance(cell.input_norm, Recurrent)
        parts.append(cell.input_norm.whole(part, valid))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


def _biases(cells: Sequence[Cell]) -> tuple[Tensor, Tensor | None]:
    """torch's two biases as one; of the GRU's candidate only the outer one, the inner one beside it."""
    both = side_by_side([c.weight("bias_ih") + c.weight("bias_hh") for c in cells])
    if cells[0].kernel != "gru":
        return both, None
    gates = 2 * cells[0].hidden
    outer, inner = (side_by_side([c.weight(name)[gates:] for c in cells]) for name in ("bias_ih", "bias_hh"))
    return torch.cat([both[:, :gates], outer], dim=1), inner


def _norms(cells: Sequence[Cell]) -> Norms | None:
    """The gains of all directions, and the populations of batch normalisation."""
    if not isinstance(cells[0].recurrent_norm, Recurrent | Units):
        return None
    found = [(c.input_norm, c.recurrent_norm, c.cell_norm) for c in cells]
    norms = [tuple(norm for norm in each if isinstance(norm, Recurrent | Units)) for each in found]
    gains = [side_by_side([norm.gamma for norm in place]) for place in zip(*norms, strict=True)]
    memory = len(gains) > 2
    populations = tuple(tuple(norm for norm in each if isinstance(norm, Recurrent)) for each in norms)
    return Norms(
        kind="batch" if populations[0] else "units",
        gain_z=gains[0],
        gain_r=gains[1],
        gain_c=gains[2] if memory else None,
        shift_c=_found(each[2].beta for each in norms) if memory else None,
        populations=populations if populations[0] else (),
    )


def side_by_side(parts: Sequence[Tensor]) -> Tensor:
    """One a direction, stacked; of one alone a view, since this happens in every pass."""
    return parts[0].unsqueeze(0) if len(parts) == 1 else torch.stack(tuple(parts))


def _found(parts: Iterable[Tensor | None]) -> Tensor | None:
    """The same where there are any."""
    found = [part for part in parts if part is not None]
    return side_by_side(found) if found else None
