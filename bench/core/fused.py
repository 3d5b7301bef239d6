"""torch's own layer: oneDNN on the CPU, cuDNN on CUDA. Only for cells it computes exactly (`cell.fused`)."""

from __future__ import annotations

from torch import Tensor

from bench.cells.base import Cell, State


def fused(cell: Cell, x: Tensor, state: State | None) -> tuple[Tensor, State]:
    """All hidden states and the last state, see `core.scan`."""
    start = None if state is None else tuple(part.unsqueeze(0) for part in state)
    y, last = cell.weights(x, start[0] if start and cell.states == 1 else start)
    return y, tuple(part.squeeze(0) for part in (last if cell.states > 1 else (last,)))
