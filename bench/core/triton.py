"""The whole sequence in one Triton kernel a pass, one program a row of the batch and direction (triton_kernels)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from bench.cells.base import Cell, State
from bench.core.recurrence import Recurrence
from bench.normalisation import EPSILON, Recurrent

WIDEST = 256
"""Units of the largest layer. Beyond ON_CHIP every row reads W again at each step: with 512 units that would take about
as long as `fn` needs to launch a step's operations (an estimate, not measured)."""

ON_CHIP = 2**16
"""Weights, padded, that stay in registers: as many as a multiprocessor has, those of 128 LSTM units. Then not all find
room, and the compiler puts the rest into local memory: the first-level cache."""


MOST_WARPS = 16


def obstacle(cells: Sequence[Cell], device: torch.device) -> str | None:
    """Why the kernels cannot run these cells on this device; None where they can."""
    cell = cells[0]
    if find_spec("triton") is None:
        return "Triton is not installed"
    if device.type != "cuda" and not interpreted():
        return "runs on CUDA only"
    if isinstance(cell.recurrent_norm, Recurrent):
        return "recurrent batch normalisation needs all rows of a batch at each step, and here they never meet"
    if cell.hidden > WIDEST:
        return f"computes at most {WIDEST} units"
    if cell.weight("weight_hh").dtype != torch.float32:
        return "computes in float32 only"
    return problem() if device.type == "cuda" else None


def interpreted() -> bool:
    """Whether Triton's interpreter stands in for a GPU: for tests, since it takes milliseconds a step."""
    return os.environ.get("TRITON_INTERPRET") == "1"


@cache
def problem() -> str | None:
    """Why Triton cannot start on this machine's GPU; None where it can."""
    import triton

    try:
        target = triton.runtime.driver.active.get_current_target()
    except Exception as error:  # no C compiler, no Python headers, no driver: each raises something else
        return f"Triton cannot start: {error}"
    if target.backend != "cuda" or target.arch < 80:
        return "Triton wants an NVIDIA GPU of compute capability 8.0 or later"
    return None


def loop(recurrence: Recurrence) -> tuple[Tensor, State]:
    """All states, (time, batch, directions * hidden), and the last ones, (directions, batch, hidden) each."""
    r = recurrence
    z = r.z
    gains: tuple[Tensor | None, ...] = (None, None, None)
    if r.norms is not None:  # of W x outside, where all steps are normalised at once
        wide = z.unflatten(2, (len(r.weight), -1))
        z = (F.layer_norm(wide, wide.shape[-1:], eps=EPSILON) * r.norms.gain_z).flatten(2)
        gains = (r.norms.gain_r, r.norms.gain_c, r.norms.shift_c)
    layout = Layout.of(r)
    tensors = (z + r.bias.flatten(), r.weight, r.bias_m, r.peepholes, *gains, *r.state)
    y, *last = _Scan.apply(layout, {**_noise(r), **layout.told(r)}, torch.is_grad_enabled(), *tensors)
    return y, tuple(last)


def run(kernel: Any, grid: tuple[int, int], warps: int, arguments: dict[str, Any]) -> None:
    """Launches a kernel."""
    kernel[grid](**arguments, num_warps=warps, maxnreg=registers(warps))


def registers(warps: int) -> int | None:
    """The most a thread may use, said only where W takes all there are: what then finds no room goes into local memory,
    and ptxas, unless told, is at times content with half of the registers and puts twice as much there."""
    return ON_CHIP // (32 * warps) if warps == MOST_WARPS else None


@dataclass(frozen=True)
class Layout:
    """The sizes of a recurrence, and how its tensors lie before the kernels."""

    time: int
    batch: int
    directions: int
    hidden: int
    gates: int
    slots: int  # places for gates: 1 or 4
    padded: int  # units, up to a power of two
    backward: tuple[bool, ...]

    @classmethod
    def of(cls, r: Recurrence) -> Layout:
        hidden, gates = r.weight.shape[2], r.weight.shape[1] // r.weight.shape[2]
        return cls(*r.sizes, gates, 1 if gates == 1 else 4, max(16, 1 << (hidden - 1).bit_length()), r.backward)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.time, self.batch, self.directions

    def told(self, r: Recurrence) -> dict[str, Any]:
        """The arguments of both kernels that are no tensors of the recurrence."""
        return {
            "lengths": None if r.lengths is None else r.lengths.to(r.z.device, torch.int32),
            "time": self.time,
            "batch": self.batch,
            "KIND": r.kernel,
            "ACTIVATION": r.activation,
            "EPSILON": EPSILON,
            "BACKWARD": sum(back << d for d, back in enumerate(self.backward)),
            "D": self.directions,
            "H": self.hidden,
            "HP": self.padded,
            "P": self.slots,
            "G": self.gates,
        }

    def tile(self, weight: Tensor, *order: int) -> Tensor:
        """W with the gates of a unit side by side: (direction, unit, unit, slot)."""
        apart = weight.unflatten(1, (self.gates, self.hidden)).permute(0, *order)
        return F.pad(apart, (0, self.slots - self.gates)).contiguous()

    def everywhere(self, state: Tensor) -> Tensor:
        """(1 + time + 1, batch, direction, hidden): a direction begins at its edge, or where a sequence has ended, so
        that what a step starts from is always its neighbour."""
        return state.transpose(0, 1).expand(self.time + 2, -1, -1, -1).contiguous()

    def last(self, states: Tensor) -> Tensor:
        """(direction, batch, hidden) after the last step."""
        return torch.stack([states[1 if back else -2, :, d] for d, back in enumerate(self.backward)])

    def products(self, d_r: Tensor, states: Tensor) -> Tensor:
        """The gradient of W: one product a direction, over all steps and rows."""
        found = []
        for d, back in enumerate(self.backward):
            before = states[2:, :, d] if back else states[:-2, :, d]
            found.append(d_r[:, :, d].flatten(0, 1).t() @ before.flatten(0, 1))
        return torch.stack(found)


def share(padded: int, slots: int) -> tuple[int, int]:
    """How many rows of W a program holds at once, and its warps: 64 weights a thread, at most 128."""
    row = padded * slots
    chunk = padded if padded * row <= ON_CHIP else ON_CHIP // 4 // row
    return chunk, min(MOST_WARPS, max(4, chunk * row // 2**11))


class _Scan(torch.autograd.Function):
    """The loop as one operation of autograd. Products over all steps at once are left to the library."""

    @staticmethod
    def forward(
        ctx: Any, layout: Layout, told: dict[str, Any], kept: bool, z: Tensor, weight: Tensor, bias_m: Tensor | None,
        peepholes: Tensor | None, gain_r: Tensor | None, gain_c: Tensor | None, shift_c: Tensor | None, *state: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        from bench.core import triton_kernels

        n = layout
        states = [n.everywhere(part) for part in state]
        normed = kept and gain_r is not None
        held: dict[str, Tensor | None] = {
            "peepholes": peepholes,
            "gain_r": gain_r,
            "gain_c": gain_c,
            "shift_c": shift_c,
            "h_all": states[0],
            "c_all": states[1] if len(states) > 1 else None,
            "gates": z.new_empty(*n.shape, n.slots, n.hidden) if kept else None,
            "normed": z.new_empty(*n.shape, n.gates, n.hidden) if normed else None,
            "inverses": z.new_empty(n.shape) if normed else None,
        }
        chunk, warps = share(n.padded, n.slots)
        own = {"z": z, "weight": n.tile(weight, 3, 2, 1), "bias_m": bias_m, "CHUNK": chunk}
        run(triton_kernels.forward, (n.batch, n.directions), warps, told | held | own)
        ctx.save_for_backward(weight, *held.values())
        ctx.layout, ctx.told, ctx.held = layout, told, tuple(held)
        return states[0][1:-1].flatten(2), *(n.last(part) for part in states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor, *d_last: Tensor) -> tuple[Tensor | None, ...]:
        from bench.core import triton_kernels

        n: Layout = ctx.layout
        weight, *parts = ctx.saved_tensors
        held: dict[str, Any] = dict(zip(ctx.held, parts, strict=True))
        new = d_y.new_empty if ctx.told["lengths"] is None else d_y.new_zeros  # of padding that no direction reads
        chunk, warps = share(n.padded, n.slots)
        d_z, d_r, sums = new(*n.shape, n.gates, n.hidden), None, None
        if held["normed"] is not None or chunk < n.padded:
            d_r = new(*n.shape, n.hidden, n.slots)
        if held["peepholes"] is not None or held["gain_c"] is not None:
            sums = d_y.new_empty(n.directions, n.batch, 5, n.hidden)
        d_state = [part.clone(memory_format=torch.contiguous_format) for part in d_last]
        own = {"d_z": d_z, "d_r": d_r, "sums": sums, "weight": n.tile(weight, 2, 3, 1), "CHUNK": chunk}
        own |= {"d_y": d_y.contiguous(), "d_h": d_state[0], "d_c": d_state[1] if len(d_state) > 1 else None}
        run(triton_kernels.backward, (n.batch, n.directions), warps, ctx.told | held | own)

        d_normed, d_bias_m, d_gain_r = d_z, None, None
        if n.gates == 3:  # the candidate's part of W h goes through the reset gate
            inner = d_z[:, :, :, 2] * held["gates"][:, :, :, 0]
            d_normed, d_bias_m = torch.cat([d_z[:, :, :, :2], inner.unsqueeze(3)], 3), inner.sum((0, 1))
        if held["normed"] is not None:
            d_gain_r = (d_normed * held["normed"]).sum((0, 1)).flatten(1)
        d_peepholes = d_gain_c = d_shift_c = None
        if sums is not None:
            total = sums.sum(1)
            d_peepholes = None if held["peepholes"] is None else total[:, :3]
            d_gain_c, d_shift_c = (None, None) if held["gain_c"] is None else total[:, 3:].unbind(1)
        d_weight = n.products((d_normed if d_r is None else d_r).flatten(3), held["h_all"])
        if d_r is not None:
            apart = d_weight.unflatten(1, (n.hidden, n.slots))[:, :, : n.gates]
            d_weight = apart.transpose(1, 2).flatten(1, 2)
        vectors = (d_bias_m, d_peepholes, d_gain_r, d_gain_c, d_shift_c)
        return None, None, None, d_z.flatten(2), d_weight, *vectors, *d_state


def _noise(r: Recurrence) -> dict[str, Any]:
    """The arguments of both kernels for recurrent dropout and zoneout: (direction, time, batch, hidden) masks, or p."""
    told: dict[str, Any] = {"update": _stacked([n.update for n in r.noise]), "scale": r.noise[0].scale}
    for place, name in enumerate(("h", "c")):
        keeps = [n.keep[place] if place < len(n.keep) else None for n in r.noise]
        told[f"keep_{name}"] = _stacked([keep if isinstance(keep, Tensor) else None for keep in keeps])
        told[f"p_{name}"] = keeps[0] if isinstance(keeps[0], float) else None
    return told


def _stacked(masks: Sequence[Tensor | None]) -> Tensor | None:
    found = [mask for mask in masks if mask is not None]
    return torch.stack(found) if found else None
