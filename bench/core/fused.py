"""torch's own layer: oneDNN on the CPU, cuDNN on CUDA. Only for cells it computes exactly (`obstacle`)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bench.cells.base import Cell, State
from bench.normalisation import Plain
from bench.sequences import reverse

_LAYERS: dict[str, Any] = {
    "LSTM": torch._VF.lstm,  # type: ignore[attr-defined]
    "GRU": torch._VF.gru,  # type: ignore[attr-defined]
    "RNN_TANH": torch._VF.rnn_tanh,  # type: ignore[attr-defined]
    "RNN_RELU": torch._VF.rnn_relu,  # type: ignore[attr-defined]
}
"""What nn.LSTM and its kin call with their weights: called here, so that weight drop can hand over its own."""


def obstacle(cell: Cell) -> str | None:
    """Why torch's own layer does not compute exactly this cell. Weight drop is no hindrance: it is done before."""
    r = cell.recipe
    noisy = r.recurrent_dropout or r.zoneout or (r.zoneout_memory and cell.states > 1)
    if cell.activation in cell.exact and isinstance(cell.input_norm, Plain) and not noisy:
        return None
    return "torch's own layer computes plain cells alone, without another activation, normalisation or noise"


def layer(
    cells: Sequence[Cell], x: Tensor, state: State | None = None, lengths: Tensor | None = None
) -> tuple[Tensor, State]:
    """All hidden states and the last state, see `core.scan`."""
    starts = [cells[0].initial(x) if state is None else state, *(cell.initial(x) for cell in cells[1:])]
    ragged = len(cells) > 1 and lengths is not None
    if ragged:  # the second direction begins where each sequence ends: two layers, one of which reads it turned round
        y, last = _layer(cells[:1], x, starts[:1])
        back, _ = _layer(cells[1:], reverse(x, lengths), starts[1:])
        return torch.cat([y, reverse(back, lengths)], dim=2), last
    return _layer(cells, x, starts)


def _layer(cells: Sequence[Cell], x: Tensor, starts: Sequence[State]) -> tuple[Tensor, State]:
    """One call of torch's layer, both directions in one; the last state is the first direction's."""
    twin = cells[0].weights
    assert isinstance(twin, nn.RNNBase), "obstacle() lets nobody come here without a layer of torch's"
    flat = []
    for c in cells:
        flat += [c.weight("weight_ih"), c.recurrent_weight(), c.weight("bias_ih"), c.weight("bias_hh")]
        if twin.proj_size:
            flat.append(c.weight("weight_hr"))
    start = tuple(torch.stack(parts) for parts in zip(*starts, strict=True))
    run = _LAYERS[twin.mode]
    hx = start if len(start) > 1 else start[0]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "LSTM with projections")  # oneDNN has none: torch's own loop stands in
        y, *last = run(x, hx, flat, True, 1, 0.0, twin.training, len(cells) > 1, False)
    return y, tuple(part[0] for part in last)
