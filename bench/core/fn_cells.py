"""The three recurrences of `fn`: a cell's pointwise part, step by step going forward, as factors going back.

What reaches a step's gates on the way back is linear in what reaches its states. So a cell's backward works out the
factors of all time steps at once, before the loop, and in the loop there is only multiplying by them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from bench.spec import Activation

ACTIVATIONS: dict[Activation, Callable[..., Tensor]] = {
    "tanh": torch.tanh,
    "relu": partial(torch.clamp, min=0),
    "leaky-relu": torch.ops.aten.leaky_relu.out,
    "hardtanh": partial(torch.clamp, min=-1, max=1),
}
"""All of them write to `out`."""


class Tape(NamedTuple):
    """What a direction's backward needs: (time, batch, ...) by position, whichever way it is read."""

    weight: Tensor  # (gates * hidden, hidden)
    peepholes: Tensor | None  # (3, hidden)
    gates: Tensor  # activated
    h: Tensor  # before each step
    c: Tensor | None  # before each step
    made: Tensor | None  # the memory that a step made, before zoneout
    shown: Tensor | None  # activated: the LSTM's memory, the simple network's state before noise
    inner: Tensor | None  # the GRU's W h
    update: Tensor | None  # recurrent dropout: what a candidate is multiplied by
    keep_h: Tensor | None  # zoneout: where the old value stays, or how much of it does
    keep_c: Tensor | None


class Lane(NamedTuple):
    """A state through time, (time, batch, hidden): before each step and after it, whole and as views of each step."""

    before: Tensor
    after: Tensor
    old: Sequence[Tensor]
    new: Sequence[Tensor]


@dataclass(frozen=True)
class Forward:
    """A direction on its way: writes the tape and the states."""

    activation: Activation
    order: Sequence[int]
    tape: Tape
    h: Lane
    c: Lane | None
    recur: Callable[[int], object]  # adds W h to a step's gates, or writes it to `inner`
    norm_c: Callable[[int], Tensor] | None


@dataclass(frozen=True)
class Back:
    """A direction on its way back."""

    activation: Activation
    tape: Tape
    d: Tensor  # (time, batch, slots * hidden): gradients of what W h is added to; behind them that of the GRU's n
    dh: Tensor  # (batch, hidden): of the state after the step at hand; the loop carries it on
    dc: Tensor | None  # the same of the memory; the cell carries it on
    dn: Tensor | None  # (time, batch, hidden): of the normalised memory
    norm_c: Callable[[Tensor, int], Tensor] | None


Pull = tuple[Callable[[int], object], Tensor | None]
"""What takes one step back, from dh and dc to d; and how much of dh goes past the gates to the state before."""


def steps(x: Tensor | None) -> Sequence[Tensor]:
    """The views of each step, made at once: in a loop, slicing costs as much as computing."""
    return () if x is None else x.unbind(0)


def parts(gates: Tensor, count: int) -> tuple[Tensor, ...]:
    """(time, batch, count * hidden) gate by gate."""
    return gates.unflatten(2, (count, -1)).unbind(2)


def zoneout(keep: Tensor | None) -> Callable[[int, Tensor, Tensor, Tensor], object] | None:
    """A function of the step, its old and its new value, and where to write what zoneout makes of them."""
    if keep is None:
        return None
    kept = steps(keep)
    if keep.dtype == torch.bool:
        return lambda t, old, new, out: torch.where(kept[t], old, new, out=out)
    return lambda t, old, new, out: torch.lerp(new, old, kept[t], out=out)


def rnn(f: Forward) -> None:
    act, zone, new_h = ACTIVATIONS[f.activation], zoneout(f.tape.keep_h), f.h.new
    gates, shown, update = map(steps, (f.tape.gates, f.tape.shown, f.tape.update))
    for t in f.order:
        f.recur(t)
        h = act(gates[t], out=shown[t])
        if update:
            h = torch.mul(h, update[t], out=new_h[t])
        if zone:
            zone(t, f.h.old[t], h, new_h[t])


def rnn_back(b: Back) -> Pull:
    assert b.tape.shown is not None
    passed, fresh = _split(b.tape)
    reached = _times(torch.ones_like(b.tape.shown), b.tape.update, fresh)
    factor, d, dh = steps(_slope(b.activation, b.tape.shown, reached)), steps(b.d), b.dh
    return lambda t: torch.mul(dh, factor[t], out=d[t]), passed


def lstm(f: Forward) -> None:
    tape, p, recur, norm = f.tape, f.tape.peepholes, f.recur, f.norm_c
    assert f.c is not None
    (old_h, new_h), (old_c, new_c) = f.h[2:], f.c[2:]
    act, zone_h, zone_c = ACTIVATIONS[f.activation], zoneout(tape.keep_h), zoneout(tape.keep_c)
    to_i, to_f, to_g, to_o = map(steps, parts(tape.gates, 4))
    both = steps(tape.gates.chunk(2, 2)[0])
    made = steps(tape.made) if zone_c else new_c
    shown, update = steps(tape.shown), steps(tape.update)
    for t in f.order:
        recur(t)
        i, f_, g, o, c = to_i[t], to_f[t], to_g[t], to_o[t], old_c[t]
        if p is not None:
            i.addcmul_(c, p[0])
            f_.addcmul_(c, p[1])
        both[t].sigmoid_()
        act(g, out=g)
        memory = torch.mul(f_, c, out=made[t]).addcmul_(i, g * update[t] if update else g)
        if p is not None:
            o.addcmul_(memory, p[2])
        act(norm(t) if norm else memory, out=shown[t])
        h = torch.mul(o.sigmoid_(), shown[t], out=new_h[t])
        if zone_h:
            zone_h(t, old_h[t], h, h)
        if zone_c:
            zone_c(t, c, memory, new_c[t])


def lstm_back(b: Back) -> Pull:
    tape, p, norm, dh, dc = b.tape, b.tape.peepholes, b.norm_c, b.dh, b.dc
    assert tape.c is not None
    assert tape.shown is not None
    assert dc is not None
    i, f, g, o = parts(tape.gates, 4)
    passed, fresh = _split(tape)
    kept_c = steps(None if tape.keep_c is None else tape.keep_c.to(dh.dtype))
    factors = tape.gates.new_empty(*g.shape[:2], 3, g.shape[2])
    admitted, seen = _times(i, tape.update), _times(o, fresh)
    new, memory, h = admitted * g, f * tape.c, seen * tape.shown
    _damped(new, i, out=factors[:, :, 0])
    _damped(memory, f, out=factors[:, :, 1])
    _slope(b.activation, g, admitted, new, out=factors[:, :, 2])
    to_o, to_c = steps(_damped(h, o)), steps(_slope(b.activation, tape.shown, seen, h))
    d = b.d.unflatten(2, (4, -1))
    ifg, do, factor, forget, dn = map(steps, (d[:, :, :3], d[:, :, 3], factors, f, b.dn))
    wide = dc.unsqueeze(1)

    def pull(t: int) -> None:
        if kept_c:
            past = dc * kept_c[t]
            dc.sub_(past)
        torch.mul(dh, to_o[t], out=do[t])
        if norm:
            dc.add_(norm(torch.mul(dh, to_c[t], out=dn[t]), t))
        else:
            dc.addcmul_(dh, to_c[t])
        if p is not None:
            dc.addcmul_(do[t], p[2])
        torch.mul(factor[t], wide, out=ifg[t])
        dc.mul_(forget[t])
        if p is not None:
            dc.addcmul_(ifg[t][:, 0], p[0]).addcmul_(ifg[t][:, 1], p[1])
        if kept_c:
            dc.add_(past)

    return pull, passed


def peepholes(tape: Tape, d: Tensor) -> Tensor:
    """Gradient of the peepholes, (3, hidden), from that of the gates."""
    assert tape.c is not None
    assert tape.made is not None
    di, df, _, do = parts(d, 4)
    return torch.stack([(x * y).sum((0, 1)) for x, y in ((di, tape.c), (df, tape.c), (do, tape.made))])


def gru(f: Forward) -> None:
    tape, recur = f.tape, f.recur
    assert tape.inner is not None
    act, zone, update = ACTIVATIONS[f.activation], zoneout(tape.keep_h), steps(tape.update)
    hidden = tape.gates.shape[2] // 3
    both, (r, u, n) = steps(tape.gates[:, :, : 2 * hidden]), map(steps, parts(tape.gates, 3))
    added, m = map(steps, tape.inner.split(2 * hidden, 2))
    for t in f.order:
        recur(t)
        both[t].add_(added[t]).sigmoid_()
        new = n[t].addcmul_(r[t], m[t])
        act(new, out=new)
        h = torch.lerp(new * update[t] if update else new, f.h.old[t], u[t], out=f.h.new[t])
        if zone:
            zone(t, f.h.old[t], h, h)


def gru_back(b: Back) -> Pull:
    """d: of r, of u, of the bracket that r multiplies, and of n."""
    tape = b.tape
    assert tape.inner is not None
    r, u, n = parts(tape.gates, 3)
    m = parts(tape.inner, 3)[2]
    passed, fresh = _split(tape)
    factors = tape.gates.new_empty(*n.shape[:2], 4, n.shape[2])
    to_n = _slope(b.activation, n, _times(1 - u, tape.update, fresh), out=factors[:, :, 3])
    to_m = torch.mul(to_n, r, out=factors[:, :, 2])
    _damped(_times(tape.h - _times(n, tape.update), fresh) * u, u, out=factors[:, :, 1])
    _damped(to_m * m, r, out=factors[:, :, 0])
    factor, d, wide = steps(factors), steps(b.d.unflatten(2, (4, -1))), b.dh.unsqueeze(1)
    past = u if passed is None else torch.lerp(u, torch.ones_like(u), passed)
    return lambda t: torch.mul(factor[t], wide, out=d[t]), past


def _split(tape: Tape) -> tuple[Tensor | None, Tensor | None]:
    """How much of h goes past a step in zoneout, and how much comes from it."""
    if tape.keep_h is None:
        return None, None
    kept = tape.keep_h.to(tape.gates.dtype)
    return kept, 1 - kept


def _times(x: Tensor, *factors: Tensor | None) -> Tensor:
    for factor in factors:
        x = x if factor is None else x * factor
    return x


def _slope(
    activation: Activation, a: Tensor, d: Tensor, product: Tensor | None = None, out: Tensor | None = None
) -> Tensor:
    """d times the derivative of the activation where it came to a. product: d * a, where it is at hand."""
    if activation == "tanh":
        return torch.addcmul(d, d * a if product is None else product, a, value=-1, out=out)
    if activation == "hardtanh":
        return torch.mul(d, a.abs() < 1, out=out)
    return torch.where(a > 0, d, d * 0.01 if activation == "leaky-relu" else torch.zeros_like(d), out=out)


def _damped(product: Tensor, s: Tensor, out: Tensor | None = None) -> Tensor:
    """x times the derivative of the logistic function where it came to s; product: x * s."""
    return torch.addcmul(product, product, s, value=-1, out=out)


CELLS: dict[Literal["rnn", "lstm", "gru"], tuple[Callable[[Forward], None], Callable[[Back], Pull]]] = {
    "rnn": (rnn, rnn_back),
    "lstm": (lstm, lstm_back),
    "gru": (gru, gru_back),
}
