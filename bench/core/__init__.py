"""The recurrent scan and its back ends: which there are, which one runs, and the run itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.cells.base import Cell, State
from bench.core import cpp, fn, fused, graph, triton
from bench.core.eager import eager
from bench.core.products import linear
from bench.core.recurrence import Recurrence, in_order, prepare
from bench.names import unknown
from bench.spec import Backend

LOOPS: dict[str, Callable[[Recurrence], tuple[Tensor, State]]] = {
    "cpp": cpp.loop,
    "fn": fn.loop,
    "triton": triton.loop,
}
"""Back ends that compute a Recurrence: all states, (time, batch, directions * hidden), and the last ones, direction
first."""

PREFERENCE: dict[str, tuple[Backend, ...]] = {
    "cpu": ("cpp", "fused", "fn", "eager"),
    "cuda": ("fused", "triton", "graph", "fn", "eager"),
}
"""What `auto` tries, by kind of device: the fastest first."""


class NoBackend(ValueError):
    """A back end that was asked for does not exist, or cannot run these cells here."""


def obstacle(name: str, cells: Sequence[Cell], device: torch.device) -> str | None:
    """Why this back end cannot run these cells on this device; None where it can."""
    if name not in ("eager", "fused") and cells[0].kernel is None:
        return f"has no loop for {type(cells[0]).__name__}"
    if name == "fused":
        return fused.obstacle(cells[0])
    if name == "cpp":
        return cpp.obstacle(device)
    if name == "triton":
        return triton.obstacle(cells, device)
    if name == "graph":
        return graph.obstacle(cells, device)
    return None


def choose(cells: Sequence[Cell], device: torch.device, wanted: Backend = "auto") -> str:
    """The name of the back end that `scan` uses for these cells. Raises NoBackend."""
    if wanted == "auto":
        return next(
            name for name in PREFERENCE.get(device.type, ("fn", "eager")) if obstacle(name, cells, device) is None
        )
    if wanted not in get_args(Backend):
        raise NoBackend(unknown("back end", wanted, get_args(Backend)))
    if (why := obstacle(wanted, cells, device)) is not None:
        raise NoBackend(f"back end {wanted}: {why}; try auto")
    return wanted


def scan(
    cells: Sequence[Cell],
    x: Tensor,
    state: State | None = None,
    lengths: Tensor | None = None,
    wanted: Backend = "auto",
) -> tuple[Tensor, State]:
    """All hidden states, (time, batch, directions * hidden), and the first direction's last state.

    x: (time, batch, feature). A second cell reads from the end. state: (batch, hidden) each, of the first direction;
    zeros if None. lengths: (batch,), where some sequences end early; what stands in the output behind an end is
    unspecified, and never reaches what stands before it. Raises NoBackend.
    """
    name = choose(cells, x.device, wanted)
    if name == "eager":
        return eager(cells, x, state, lengths)
    if name == "fused":
        return fused.layer(cells, x, state, lengths)
    recurrence = prepare(cells, x, state, lengths, linear if name == "cpp" else F.linear)
    y, last = graph.loop(recurrence, cells[0]) if name == "graph" else LOOPS[name](recurrence)
    return in_order(recurrence, y), tuple(part[0] for part in last)


__all__ = ["LOOPS", "PREFERENCE", "NoBackend", "choose", "eager", "obstacle", "scan"]
