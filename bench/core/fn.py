"""The loop with a backward written by hand, in ATen operations: needs no compiler.

Gates are activated where z stood. The gradient of the weights is one product after the loop, over all steps at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from bench.cells.base import State
from bench.core.fn_cells import CELLS, Back, Forward, Lane, Tape, peepholes, steps
from bench.core.fn_norms import Normed, Pullback, Step, joined, norm
from bench.core.recurrence import Recurrence
from bench.sequences import mask


def loop(recurrence: Recurrence) -> tuple[Tensor, State]:
    """All states, (time, batch, directions * hidden), and the last ones, (directions, batch, hidden) each."""
    y, *last = _Loop.apply(recurrence, *recurrence.tensors)
    return y, tuple(last)


class _Loop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, r: Recurrence, *tensors: Tensor | None) -> tuple[Tensor, ...]:
        time, batch, directions, hidden = r.sizes
        room = r.z.new_empty(time + 2, batch, directions * hidden)  # the initial states stand at their ends of time
        valid = mask(r.z, r.lengths)
        saved, ends = [valid], []
        for d, states in enumerate(room.chunk(directions, 2)):
            tape, norms, last = _forward(r, d, states, valid)
            saved += [*tape, *(tensor for normed in norms for tensor in normed)]
            ends.append(last)
        ctx.save_for_backward(*saved)
        ctx.kernel, ctx.activation, ctx.ways = r.kernel, r.activation, r.backward
        return room[1:-1], *map(torch.stack, zip(*ends, strict=True))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, *last: Tensor) -> tuple[Tensor | None, ...]:
        valid, *saved = ctx.saved_tensors
        if valid is not None:
            dy = dy * valid.unsqueeze(2)  # what stands behind an end is for nobody to use
        directions, cut, size = len(ctx.ways), len(Tape._fields), len(Normed._fields)
        each = len(saved) // directions
        dz = dy.new_empty(*dy.shape[:2], directions * len(saved[0]))
        found = []
        for d, (dy_d, dz_d) in enumerate(zip(dy.chunk(directions, 2), dz.chunk(directions, 2), strict=True)):
            mine = saved[d * each : (d + 1) * each]
            norms = [Normed(*mine[n : n + size]) for n in range(cut, each, size)]
            found.append(_backward(ctx, ctx.ways[d], Tape(*mine[:cut]), norms, dy_d, [x[d] for x in last], dz_d))
        stacked = (None if parts[0] is None else torch.stack(parts) for parts in zip(*found, strict=True))
        return None, dz, *stacked


def _forward(
    r: Recurrence, d: int, room: Tensor, valid: Tensor | None
) -> tuple[Tape, Sequence[Normed], tuple[Tensor, ...]]:
    """Run direction d, its states to stand in `room`: the tape, the normalisations of z, W h and c, and the ends."""
    z, back, noise, hidden = r.z.detach(), r.backward[d], r.noise[d], room.shape[2]
    keep_h, keep_c = (_keep(keep, valid if back else None, z) for keep in (*noise.keep, None)[:2])
    update = None if noise.update is None else noise.update.to(z.dtype).mul_(noise.scale)
    h, c = _lane(room, r.state[0][d], back), None
    gates, shift = z.chunk(len(r.weight), 2)[d], None
    made = shown = inner = None
    if r.kernel == "lstm":
        c = _lane(z.new_empty(len(room), *h.after.shape[1:]), r.state[1][d], back)
        made, shown = c.after if keep_c is None else torch.empty_like(c.after), torch.empty_like(c.after)
    elif r.kernel == "gru":
        assert r.bias_m is not None
        inner, shift = torch.empty_like(gates), F.pad(r.bias_m[d], (2 * hidden, 0))

    norms: list[Step | None] = [None, None, None]
    if r.norms is None:
        gates.add_(r.bias[d])
    else:
        rows = gates if r.norms.kind == "batch" else gates.reshape(1, -1, gates.shape[2])
        first = norm(r.norms, 0, d, rows, r.bias[d], valid)
        gates = joined([first(t) for t in range(len(rows))]).view_as(gates)
        norms = [first, norm(r.norms, 1, d, torch.empty_like(gates), shift, valid), None]
        if made is not None and r.norms.shift_c is not None:
            norms[2] = norm(r.norms, 2, d, made, r.norms.shift_c[d], valid)

    if r.kernel == "rnn":
        shown = h.after if update is None and keep_h is None else gates
    peep = None if r.peepholes is None else r.peepholes[d]
    before_c = None if c is None else c.before
    tape = Tape(r.weight[d], peep, gates, h.before, before_c, made, shown, inner, update, keep_h, keep_c)
    order = range(len(z))[::-1] if back else range(len(z))
    CELLS[r.kernel][0](Forward(r.activation, order, tape, h, c, _recur(tape, h.old, shift, norms[1]), norms[2]))
    ends = tuple(lane.new[order[-1]] for lane in (h, c) if lane is not None)
    return tape, [Normed() if each is None else each.normed for each in norms], ends


def _lane(room: Tensor, start: Tensor, back: bool) -> Lane:
    """A state through time in `room`, (time + 2, batch, hidden), with its first value in place."""
    room[-1 if back else 0] = start
    before, after, views = slice(2, None) if back else slice(-2), slice(1, -1), room.unbind(0)
    return Lane(room[before], room[after], views[before], views[after])


def _keep(keep: Tensor | float | None, valid: Tensor | None, like: Tensor) -> Tensor | None:
    """Zoneout at every step. Where a sequence has not begun, all of its state is kept: so padding is passed over."""
    if isinstance(keep, float):
        keep = like.new_full((1, 1, 1), keep).expand(len(like), 1, 1)
    if valid is None:
        return keep
    ended = ~valid.unsqueeze(2)
    return ended if keep is None else torch.where(ended, keep.new_ones(()), keep)


def _recur(tape: Tape, h: Sequence[Tensor], shift: Tensor | None, normed: Step | None) -> Callable[[int], object]:
    """What adds W h to the gates of a step; for the GRU, what writes it to `inner`."""
    turned, gates, inner = tape.weight.t(), steps(tape.gates), steps(tape.inner)
    if normed is None:
        if shift is None:
            return lambda t: gates[t].addmm_(h[t], turned)
        return lambda t: torch.addmm(shift, h[t], turned, out=inner[t])
    products = steps(normed.x)

    def recur(t: int) -> None:
        torch.mm(h[t], turned, out=products[t])
        if inner:
            inner[t].copy_(normed(t))
        else:
            gates[t].add_(normed(t))

    return recur


def _backward(
    ctx: Any, back: bool, tape: Tape, norms: Sequence[Normed], dy: Tensor, ends: Sequence[Tensor], dz: Tensor
) -> tuple[Tensor | None, ...]:
    """Gradients of one direction in the order of Recurrence.tensors; that of z, the first, is written to `dz`."""
    time, batch, hidden = dy.shape
    wide, bracket = len(tape.weight), tape.inner is not None
    on_z, on_r, on_c = (None if normed.x is None else Pullback(normed) for normed in norms)
    d = dy.new_empty(time, batch, wide + hidden) if bracket else dz if on_z is None else torch.empty_like(dz)
    to_r = d[:, :, :wide]  # of W h as it is added to the gates; `product` of W h itself
    product = to_r if on_r is None else torch.empty_like(to_r)
    dn = None if on_c is None else torch.empty_like(dy)

    views, nothing = steps(dy), torch.zeros_like(ends[0])
    dh, dc = ends[0] + views[0 if back else -1], ends[1].clone() if len(ends) > 1 else None
    earlier = (*views[1:], nothing) if back else (nothing, *views[:-1])  # dy of the step before
    pull, passed = CELLS[ctx.kernel][1](Back(ctx.activation, tape, d, dh, dc, dn, on_c))
    weight, past, each = tape.weight, steps(passed), steps(to_r)
    products = each if on_r is None else steps(product)
    for t in range(time) if back else reversed(range(time)):
        pull(t)
        if on_r is not None:
            products[t].copy_(on_r(each[t], t))
        if past:
            torch.addcmul(earlier[t], dh, past[t], out=dh).addmm_(products[t], weight)
        else:
            torch.addmm(earlier[t], products[t], weight, out=dh)

    to_z = torch.cat([d[:, :, : 2 * hidden], d[:, :, wide:]], 2) if bracket else d
    gain_z = gain_r = gain_c = shift_c = None
    if on_z is not None and on_r is not None:
        rows = to_z.reshape(on_z.x.shape)
        gain_z, gain_r = on_z.gain_gradient(rows), on_r.gain_gradient(to_r)
        dz.copy_(on_z.whole(rows).view_as(dz))
    elif bracket:
        dz.copy_(to_z)
    if on_c is not None and dn is not None:
        gain_c, shift_c = on_c.gain_gradient(dn), dn.sum((0, 1))
    dweight = product.flatten(0, 1).t() @ tape.h.flatten(0, 1)
    bias_m = to_r[:, :, 2 * hidden :].sum((0, 1)) if bracket else None
    peep = None if tape.peepholes is None else peepholes(tape, d)
    return dweight, to_z.sum((0, 1)), bias_m, peep, gain_z, gain_r, gain_c, shift_c, dh, dc
