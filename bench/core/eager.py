"""The specification: autograd through the cell's own `step`, input projection outside the loop."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.cells.base import Cell, State


def eager(
    cell: Cell, x: Tensor, state: State, valid: Tensor | None = None, trace: list[Tensor] | None = None
) -> tuple[Tensor, State]:
    """All hidden states and the last state, see `core.scan`. With `trace`, every h is appended to it, for probes."""
    outputs = []
    for t, z in enumerate(cell.project(x, valid)):
        state = cell.step(z, state, t, None if valid is None else valid[t])
        outputs.append(state[0])
    if trace is not None:
        trace.extend(outputs)
    return torch.stack(outputs), state
