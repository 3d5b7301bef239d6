"""The loop of `fn` captured as CUDA graphs, forward and backward, and replayed: one launch in place of thousands."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench.cells.base import Cell, State
from bench.core import fn
from bench.core.recurrence import Recurrence
from bench.normalisation import Recurrent

CAPTURES = 8
"""Shapes that a layer keeps captured. A training batch, an evaluation batch and the last one of each split are five;
where every batch has a length of its own, further ones run uncaptured rather than being captured for one use."""


def obstacle(cells: Sequence[Cell], device: torch.device) -> str | None:
    """Why the loop of these cells cannot be captured on this device; None where it can."""
    if device.type != "cuda":
        return "runs on CUDA only"
    if isinstance(cells[0].recurrent_norm, Recurrent):
        return "recurrent batch normalisation counts its steps in Python, which no replay repeats"
    return None


def loop(recurrence: Recurrence, owner: Cell) -> tuple[Tensor, State]:
    """All states, (time, batch, directions * hidden), and the last ones, (directions, batch, hidden) each.

    The captures belong to `owner`, a layer's first cell, and go with it.
    """
    tensors = _tensors(recurrence)
    wanted = [t is not None and t.requires_grad and torch.is_grad_enabled() for t in tensors]
    key = _key(recurrence, tensors, wanted)
    captures = _captures.setdefault(owner, {})
    if key not in captures and len(captures) < CAPTURES:
        captures[key] = Capture(recurrence, tensors, wanted)
    if key not in captures or captures[key].busy:
        return fn.loop(recurrence)
    y, *last = captures[key](tensors)
    return y, tuple(last)


class Capture:
    """A loop of one shape. It has the memory of one pass, so a pass that waits for its backward keeps it busy."""

    def __init__(self, recurrence: Recurrence, tensors: Sequence[Tensor | None], wanted: Sequence[bool]) -> None:
        self.turn = 0
        self.waiting: weakref.ref[_Pass] | None = None
        with torch.inference_mode(False):  # replays outside inference mode write to what is made here
            places = [
                None if t is None else t.detach().clone().requires_grad_(want)
                for t, want in zip(tensors, wanted, strict=True)
            ]
            run = partial(_run, _filled(recurrence, places))
            given = tuple(place for place in places if place is not None)
            self.replay: Any = torch.cuda.make_graphed_callables(run, given, allow_unused_input=True)

    @property
    def busy(self) -> bool:
        return self.waiting is not None and self.waiting() is not None

    def __call__(self, tensors: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
        """What the loop makes of these tensors. Nothing that comes out, either way, is memory of the graph's own."""
        given = []
        for t in tensors:
            if t is not None:
                given.append(t.view_as(t))
                if given[-1].requires_grad:
                    given[-1].register_hook(torch.clone)
        self.turn += 1
        out: tuple[Tensor, ...] = _Leave.apply(self, *self.replay(*given))
        return out


class _Pass:
    """Lives as long as the autograd graph of a pass."""


class _Leave(torch.autograd.Function):
    """Copies what a replay left behind, and guards the way back."""

    @staticmethod
    def forward(ctx: Any, capture: Capture, *outputs: Tensor) -> tuple[Tensor, ...]:
        ctx.capture, ctx.turn, ctx.waits = capture, capture.turn, _Pass()
        if any(ctx.needs_input_grad):
            capture.waiting = weakref.ref(ctx.waits)
        return tuple(out.clone() for out in outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.turn != ctx.capture.turn:
            raise RuntimeError(
                "a captured pass goes back once, and before the next one; back end fn knows no such limit"
            )
        ctx.capture.turn += 1
        ctx.capture.waiting = None
        return None, *gradients


_captures: weakref.WeakKeyDictionary[Cell, dict[Any, Capture]] = weakref.WeakKeyDictionary()


def _tensors(r: Recurrence) -> list[Tensor | None]:
    """All that may change between two passes of one shape."""
    lengths = None if r.lengths is None else r.lengths.to(r.z.device)
    masks = [mask if isinstance(mask, Tensor) else None for noise in r.noise for mask in (noise.update, *noise.keep)]
    return [*r.tensors, lengths, *masks]


def _filled(r: Recurrence, tensors: Sequence[Any]) -> Recurrence:
    """The recurrence with these tensors in the place of its own."""
    z, weight, bias, bias_m, peepholes, gain_z, gain_r, gain_c, shift_c, h, c, lengths, *masks = tensors
    norms, noise, rest = r.norms, [], iter(masks)
    if norms is not None:
        norms = replace(norms, gain_z=gain_z, gain_r=gain_r, gain_c=gain_c, shift_c=shift_c)
    for old in r.noise:
        update = next(rest)
        keep = tuple(mask if isinstance(mask := next(rest), Tensor) else p for p in old.keep)
        noise.append(replace(old, update=update, keep=keep))
    return replace(
        r,
        z=z,
        weight=weight,
        bias=bias,
        bias_m=bias_m,
        peepholes=peepholes,
        state=(h,) if c is None else (h, c),
        norms=norms,
        noise=tuple(noise),
        lengths=lengths,
    )


def _run(r: Recurrence, *given: Tensor) -> tuple[Tensor, ...]:
    """The outputs of `fn` with these tensors in the places where r has any."""
    rest = iter(given)
    y, last = fn.loop(_filled(r, [None if t is None else next(rest) for t in _tensors(r)]))
    return y, *last


def _key(r: Recurrence, tensors: Sequence[Tensor | None], wanted: Sequence[bool]) -> Any:
    """All that a capture holds fast."""
    shapes = [None if t is None else (t.shape, t.dtype, want) for t, want in zip(tensors, wanted, strict=True)]
    numbers = [(n.scale, *(p for p in n.keep if isinstance(p, float))) for n in r.noise]
    kind = None if r.norms is None else r.norms.kind
    return r.kernel, r.activation, kind, r.backward, r.z.device, *shapes, *numbers
