"""The recurrent scan and its back ends: `fused`, torch's own layer where it computes the cell exactly, and `eager`."""

from __future__ import annotations

from torch import Tensor

from bench.cells.base import Cell, State
from bench.core.eager import eager
from bench.core.fused import fused


def backend(cell: Cell) -> str:
    """The name of the back end that `scan` uses for this cell."""
    return "fused" if cell.fused else "eager"


def scan(cell: Cell, x: Tensor, state: State | None = None, valid: Tensor | None = None) -> tuple[Tensor, State]:
    """All hidden states, (time, batch, hidden), and the last state.

    x: (time, batch, feature). state: where to start, zeros if None. valid: (time, batch), False where a sequence has
    ended; padding stands at the end, so states before it never depend on it.
    """
    if cell.fused:
        return fused(cell, x, state)
    return eager(cell, x, cell.initial(x) if state is None else state, valid)


__all__ = ["backend", "eager", "fused", "scan"]
