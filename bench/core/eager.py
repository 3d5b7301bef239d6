"""The specification: autograd through the cell's own `step`, input projection outside the loop."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bench.cells.base import Cell, Now, State
from bench.noise import Noise
from bench.sequences import mask, reverse


def eager(
    cells: Sequence[Cell],
    x: Tensor,
    state: State | None = None,
    lengths: Tensor | None = None,
    trace: list[Tensor] | None = None,
) -> tuple[Tensor, State]:
    """All hidden states and the last state, see `core.scan`. With `trace`, every h of the first cell is appended to it,
    for probes."""
    drawn = [(cell.recurrent_weight(), cell.noise(len(x), x)) for cell in cells]
    y, last = _loop(cells[0], x, state or cells[0].initial(x), lengths, *drawn[0], trace)
    if len(cells) == 1:
        return y, last
    weight, noise = drawn[1]
    turned = noise.turned(lengths)
    back, _ = _loop(cells[1], reverse(x, lengths), cells[1].initial(x), lengths, weight, turned, None)
    return torch.cat([y, reverse(back, lengths)], dim=2), last


def _loop(
    cell: Cell,
    x: Tensor,
    state: State,
    lengths: Tensor | None,
    weight: Tensor,
    noise: Noise,
    trace: list[Tensor] | None,
) -> tuple[Tensor, State]:
    outputs = []
    valid = mask(x, lengths)
    for t, z in enumerate(cell.project(x, valid)):
        now = Now(t, None if valid is None else valid[t], weight, noise)
        state = noise.zone(state, cell.step(z, state, now), t)
        outputs.append(state[0])
    if trace is not None:
        trace.extend(outputs)
    return torch.stack(outputs), state
