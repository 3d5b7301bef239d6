"""The two Triton kernels: a whole sequence forward, and back. Imported where they run, so that others need no Triton.

One program computes one row of the batch in one direction, all time steps. Rows share nothing but W, so no program
waits for another, and a batch of 32 keeps 32 multiprocessors busy where one tile of 32 rows would keep one. The product
with W is a matrix times a vector, in float32 without tensor cores: a tile of W that stays in registers from the first
step to the last, multiplied by the spread-out vector and summed over its rows, which lie in different registers and
warps, never in different lanes of a warp.

In memory a gate's units lie side by side, as torch has them; what is loaded and stored is one number a unit, so that
the compiler is free to lay it out as the product left it. In registers units are padded to HP, a power of two, and a
unit's gates lie side by side in P slots (4, of which the GRU leaves one empty; 1 for the simple network), so that the
four sums of one unit meet in one thread. Padding is zero throughout. A step loads what it needs before its product,
which hides the wait.
"""

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _get(address, valid):
    return tl.load(address, mask=valid, other=0.0)


@triton.jit
def _get_gates(address, valid, H: tl.constexpr, G: tl.constexpr):
    """Up to four gates, those beyond G zero."""
    first = _get(address, valid)
    second, third, fourth = tl.zeros_like(first), tl.zeros_like(first), tl.zeros_like(first)
    if G > 1:
        second, third = _get(address + H, valid), _get(address + 2 * H, valid)
    if G > 3:
        fourth = _get(address + 3 * H, valid)
    return first, second, third, fourth


@triton.jit
def _put_gates(address, first, second, third, fourth, valid, H: tl.constexpr, G: tl.constexpr):
    tl.store(address, first, mask=valid)
    if G > 1:
        tl.store(address + H, second, mask=valid)
        tl.store(address + 2 * H, third, mask=valid)
    if G > 3:
        tl.store(address + 3 * H, fourth, mask=valid)


@triton.jit
def _split(x, HP: tl.constexpr, P: tl.constexpr):
    """Four gates, or one, from their slots, (unit, slot)."""
    if P == 1:
        first = tl.reshape(x, (HP,))
        return first, tl.zeros_like(first), tl.zeros_like(first), tl.zeros_like(first)
    else:
        even, odd = tl.split(tl.reshape(x, (HP, 2, 2)))
        first, third = tl.split(even)
        second, fourth = tl.split(odd)
        return first, second, third, fourth


@triton.jit
def _join(first, second, third, fourth, HP: tl.constexpr, P: tl.constexpr):
    """Four gates, or one, in their slots, (unit, slot)."""
    if P == 1:
        return first[:, None]
    else:
        return tl.reshape(tl.join(tl.join(first, third), tl.join(second, fourth)), (HP, P))


@triton.jit
def _tile(weight, rows, CHUNK: tl.constexpr, H: tl.constexpr, HP: tl.constexpr, P: tl.constexpr):
    """Some rows of the matrix, (row, unit, slot). Loaded flat: the compiler lays lanes along what is contiguous."""
    place = tl.arange(0, HP * P)
    flat = _get(weight + rows[:, None] * (H * P) + place[None, :], (rows < H)[:, None] & (place < H * P)[None, :])
    return tl.reshape(flat, (CHUNK, HP, P))


@triton.jit
def _times(
    tile, x, weight, memory, at, live,
    H: tl.constexpr, S: tl.constexpr, HP: tl.constexpr, P: tl.constexpr, CHUNK: tl.constexpr,
):  # fmt: skip
    """The vector times the matrix, (unit, slot). It is x, (row, S), and row `at` of the memory if live; else zero."""
    if CHUNK == HP:
        return tl.sum(tile * x[:, None, :], 0)
    else:
        tl.debug_barrier()  # other threads of this program wrote what is read
        total = tl.zeros((CHUNK, HP, P), tl.float32)
        slot = tl.arange(0, S)[None, :]
        for start in range(0, H, CHUNK):
            rows = start + tl.arange(0, CHUNK)
            row = rows[:, None]
            part = _get(memory + (at * H + row) * S + slot, (row < H) & live)
            total += part[:, None, :] * _tile(weight, rows, CHUNK, H, HP, P)
        return tl.sum(total, 0)


@triton.jit
def _act(x, ACTIVATION: tl.constexpr):
    """The activation. A NaN stays one: it fails every comparison, and falls through."""
    if ACTIVATION == "tanh":
        square = x * x  # near zero 1 - exp(-2x) would lose digits; the series is exact to float32 below 1/4
        near = x * (1 + square * (-1 / 3 + square * (2 / 15 + square * (-17 / 315 + square * (62 / 2835)))))
        small = tl.exp(-2 * tl.abs(x))
        far = (1 - small) / (1 + small)
        return tl.where(square < 0.0625, near, tl.where(x < 0, -far, far))
    elif ACTIVATION == "relu":
        return tl.where(x < 0, 0.0, x)
    elif ACTIVATION == "leaky-relu":
        return tl.where(x < 0, 0.01 * x, x)
    else:
        tl.static_assert(ACTIVATION == "hardtanh")
        return tl.where(x > 1, 1.0, tl.where(x < -1, -1.0, x))


@triton.jit
def _slope(a, ACTIVATION: tl.constexpr):
    """The activation's derivative, from its value."""
    if ACTIVATION == "tanh":
        return 1 - a * a
    elif ACTIVATION == "relu":
        return tl.where(a > 0, 1.0, 0.0)
    elif ACTIVATION == "leaky-relu":
        return tl.where(a > 0, 1.0, 0.01)
    else:
        return tl.where(tl.abs(a) < 1, 1.0, 0.0)


@triton.jit
def _standard(x, valid, size, EPSILON: tl.constexpr):
    """x with mean 0 and variance 1 over what is valid, and what it was multiplied by."""
    centred = tl.where(valid, x - tl.sum(x) / size, 0.0)
    inverse = tl.rsqrt(tl.sum(centred * centred) / size + EPSILON)
    return centred * inverse, inverse


@triton.jit
def _standard_back(d, standard, inverse, valid, size):
    """The gradient of what was made standard, from that of the result."""
    return tl.where(valid, (d - tl.sum(d) / size - standard * (tl.sum(d * standard) / size)) * inverse, 0.0)


@triton.jit
def _drawn(mask, at, valid):
    """A mask's bits, False if there is none."""
    if mask is not None:
        return tl.load(mask + at, mask=valid)
    else:
        return valid & False


@triton.jit
def _drop(x, update, written, scale):
    """Recurrent dropout, of a candidate or of its gradient."""
    if update is not None:
        return tl.where(written, x * scale, 0.0)
    else:
        return x


@triton.jit
def _zone(old, new, kept, p):
    """Zoneout, or its expectation if there is a p."""
    if p is not None:
        return p * old + (1 - p) * new
    else:
        return tl.where(kept, old, new)


@triton.jit
def _zone_back(d, kept, p):
    """The parts of a state's gradient that go to its old and to its new value."""
    if p is not None:
        return p * d, (1 - p) * d
    else:
        return tl.where(kept, d, 0.0), tl.where(kept, 0.0, d)


@triton.jit
def _span(back, lengths, row, time):
    """The number of this row's steps, the time of the first one, and how the time goes on."""
    steps = time
    if lengths is not None:  # who reads from the end begins at the sequence's own; who does not goes on through padding
        steps = tl.where(back, tl.load(lengths + row), time)
    return steps, tl.where(back, steps - 1, 0), tl.where(back, -1, 1)


@triton.jit(do_not_specialize=["time", "batch"])
def forward(
    z, weight, bias_m, peepholes, gain_r, gain_c, shift_c, h_all, c_all, gates, normed, inverses,
    update, keep_h, keep_c, scale, p_h, p_c, lengths, time, batch,
    KIND: tl.constexpr, ACTIVATION: tl.constexpr, EPSILON: tl.constexpr, BACKWARD: tl.constexpr,
    D: tl.constexpr, H: tl.constexpr, HP: tl.constexpr, P: tl.constexpr, G: tl.constexpr, CHUNK: tl.constexpr,
):  # fmt: skip
    """All states into h_all and c_all, (1 + time + 1, batch, direction, H), whose edges hold the initial ones.

    weight: (direction, H, H, P), from a state to the gates' units. What the way back needs goes into `gates`, (time,
    batch, direction, P, H), activated, with the bracket of the GRU's reset gate for a fourth; and where layers are
    normalised into `normed`, (..., G, H), and `inverses`, (time, batch, direction). Without `gates` nothing is kept.
    """
    row, d = tl.program_id(0), tl.program_id(1)
    steps, first, ahead = _span((BACKWARD >> d) & 1 != 0, lengths, row, time)
    unit, slot = tl.arange(0, HP), tl.arange(0, P)
    valid = unit < H
    filled = valid[:, None] & (slot < G)[None, :]
    weight += d * (H * H * P)
    tile = _tile(weight, tl.arange(0, CHUNK), CHUNK, H, HP, P)  # the whole of it, or else unused
    own = d * H + unit
    if gain_r is not None:
        gain_1, gain_2, gain_3, gain_4 = _get_gates(gain_r + d * (G * H) + unit, valid, H, G)
    if gain_c is not None:
        gained, shift = _get(gain_c + own, valid), _get(shift_c + own, valid)
    if peepholes is not None:
        peep_i, peep_f, peep_o, _peep = _get_gates(peepholes + d * (3 * H) + unit, valid, H, 3)
    if bias_m is not None:
        b = _get(bias_m + own, valid)
    start = ((first + 1 - ahead).to(tl.int64) * batch + row) * D + d
    h = _get(h_all + start * H + unit, valid)
    c = tl.zeros_like(h)
    if KIND == "lstm":
        c = _get(c_all + start * H + unit, valid)
    for step in range(steps):
        t = first + step * ahead
        at = (t.to(tl.int64) * batch + row) * D + d
        after = at + batch * D
        drawn = ((d * time + t).to(tl.int64) * batch + row) * H + unit
        z_1, z_2, z_3, z_4 = _get_gates(z + at * (G * H) + unit, valid, H, G)
        written = _drawn(update, drawn, valid)
        kept_h, kept_c = _drawn(keep_h, drawn, valid), _drawn(keep_c, drawn, valid)
        r = _times(tile, h[:, None], weight, h_all, after - ahead * batch * D, True, H, 1, HP, P, CHUNK)
        inverse = 1.0
        if gain_r is not None:
            r, inverse = _standard(r, filled, G * H, EPSILON)
        r_1, r_2, r_3, r_4 = _split(r, HP, P)
        if gain_r is not None:
            if gates is not None:
                _put_gates(normed + at * (G * H) + unit, r_1, r_2, r_3, r_4, valid, H, G)
                tl.store(inverses + at, inverse)
            r_1, r_2, r_3, r_4 = r_1 * gain_1, r_2 * gain_2, r_3 * gain_3, r_4 * gain_4
        if KIND == "rnn":
            s_1 = _act(z_1 + r_1, ACTIVATION)
            s_2, s_3, s_4 = s_1, s_1, s_1
            new = _drop(s_1, update, written, scale)
        elif KIND == "lstm":
            i, f, g, o = z_1 + r_1, z_2 + r_2, z_3 + r_3, z_4 + r_4
            if peepholes is not None:
                i += peep_i * c
                f += peep_f * c
            i, f, g = tl.sigmoid(i), tl.sigmoid(f), _act(g, ACTIVATION)
            memory = f * c + i * _drop(g, update, written, scale)
            if peepholes is not None:
                o += peep_o * memory
            o = tl.sigmoid(o)
            shown = memory
            if gain_c is not None:
                standard, _inverse = _standard(memory, valid, H, EPSILON)
                shown = standard * gained + shift
            new = o * _act(shown, ACTIVATION)
            c = _zone(c, memory, kept_c, p_c)
            tl.store(c_all + after * H + unit, c, mask=valid)
            s_1, s_2, s_3, s_4 = i, f, g, o
        else:
            tl.static_assert(KIND == "gru")
            reset, carry, inner = tl.sigmoid(z_1 + r_1), tl.sigmoid(z_2 + r_2), r_3 + b
            n = _act(z_3 + reset * inner, ACTIVATION)
            candidate = _drop(n, update, written, scale)
            new = candidate + carry * (h - candidate)
            s_1, s_2, s_3, s_4 = reset, carry, n, inner
        h = _zone(h, new, kept_h, p_h)
        tl.store(h_all + after * H + unit, h, mask=valid)
        if gates is not None:
            _put_gates(gates + at * (P * H) + unit, s_1, s_2, s_3, s_4, valid, H, P)


@triton.jit(do_not_specialize=["time", "batch"])
def backward(
    d_y, d_h, d_c, weight, peepholes, gain_r, gain_c, shift_c, h_all, c_all, gates, normed, inverses, d_z, d_r, sums,
    update, keep_h, keep_c, scale, p_h, p_c, lengths, time, batch,
    KIND: tl.constexpr, ACTIVATION: tl.constexpr, EPSILON: tl.constexpr, BACKWARD: tl.constexpr,
    D: tl.constexpr, H: tl.constexpr, HP: tl.constexpr, P: tl.constexpr, G: tl.constexpr, CHUNK: tl.constexpr,
):  # fmt: skip
    """Gradients of z into d_z, (time, batch, direction, G, H), and unless None of W h into d_r, (..., H, P).

    d_h and d_c, (direction, batch, H), come as the gradients of the last states and go as those of the initial ones.
    weight: (direction, H, H, P), from the gates' units to a state. sums, unless None: (direction, batch, 5, H), a row's
    part of the gradients of the peepholes and of the memory's gain and shift.
    """
    row, d = tl.program_id(0), tl.program_id(1)
    steps, first, ahead = _span((BACKWARD >> d) & 1 != 0, lengths, row, time)
    unit, slot = tl.arange(0, HP), tl.arange(0, P)
    valid = unit < H
    filled = valid[:, None] & (slot < G)[None, :]
    weight += d * (H * H * P)
    tile = _tile(weight, tl.arange(0, CHUNK), CHUNK, H, HP, P)  # the whole of it, or else unused
    own = d * H + unit
    if gain_r is not None:
        gain_1, gain_2, gain_3, gain_4 = _get_gates(gain_r + d * (G * H) + unit, valid, H, G)
    if gain_c is not None:
        gained, shift = _get(gain_c + own, valid), _get(shift_c + own, valid)
    if peepholes is not None:
        peep_i, peep_f, peep_o, _peep = _get_gates(peepholes + d * (3 * H) + unit, valid, H, 3)
    edge = (d * batch + row) * H + unit
    old = _get(d_h + edge, valid)  # the part of a state's gradient that did not come through W
    zero = tl.zeros_like(old)
    old_c = zero
    if KIND == "lstm":
        old_c = _get(d_c + edge, valid)
    sum_i, sum_f, sum_o, sum_gain, sum_shift = zero, zero, zero, zero, zero
    dr = tl.zeros((HP, P), tl.float32)
    for left in range(steps):
        t = first + (steps - 1 - left) * ahead
        at = (t.to(tl.int64) * batch + row) * D + d
        before = (at + (1 - ahead) * batch * D) * H + unit
        drawn = ((d * time + t).to(tl.int64) * batch + row) * H + unit
        s_1, s_2, s_3, s_4 = _get_gates(gates + at * (P * H) + unit, valid, H, P)
        dy = _get(d_y + at * H + unit, valid)
        written = _drawn(update, drawn, valid)
        kept_h, kept_c = _drawn(keep_h, drawn, valid), _drawn(keep_c, drawn, valid)
        if KIND == "lstm":
            c = _get(c_all + before, valid)
        if KIND == "gru":
            h = _get(h_all + before, valid)
        if gain_r is not None:
            r_1, r_2, r_3, r_4 = _get_gates(normed + at * (G * H) + unit, valid, H, G)
            inverse = tl.load(inverses + at)
        dh = old + dy
        dh += tl.sum(_times(tile, dr, weight, d_r, at + ahead * batch * D, left > 0, H, P, HP, P, CHUNK), 1)
        old, new = _zone_back(dh, kept_h, p_h)
        if KIND == "rnn":
            d_1 = _drop(new, update, written, scale) * _slope(s_1, ACTIVATION)
            d_2, d_3, d_4, e_3 = d_1, d_1, d_1, d_1
        elif KIND == "lstm":
            i, f, g, o = s_1, s_2, s_3, s_4
            candidate = _drop(g, update, written, scale)
            memory = f * c + i * candidate
            shown = memory
            if gain_c is not None:
                standard, inverse_c = _standard(memory, valid, H, EPSILON)
                shown = standard * gained + shift
            a = _act(shown, ACTIVATION)
            d_4 = new * a * o * (1 - o)
            d_shown = new * o * _slope(a, ACTIVATION)
            if gain_c is not None:
                sum_gain += d_shown * standard
                sum_shift += d_shown
                d_shown = _standard_back(d_shown * gained, standard, inverse_c, valid, H)
            old_c, new_c = _zone_back(old_c, kept_c, p_c)
            new_c += d_shown
            if peepholes is not None:
                new_c += peep_o * d_4
            d_1, d_2 = new_c * candidate * i * (1 - i), new_c * c * f * (1 - f)
            d_3 = _drop(new_c * i, update, written, scale) * _slope(g, ACTIVATION)
            e_3 = d_3
            old_c += new_c * f
            if peepholes is not None:
                old_c += peep_i * d_1 + peep_f * d_2
                sum_i += d_1 * c
                sum_f += d_2 * c
                sum_o += d_4 * memory
        else:
            tl.static_assert(KIND == "gru")
            reset, carry, n, inner = s_1, s_2, s_3, s_4
            candidate = _drop(n, update, written, scale)
            d_2 = new * (h - candidate) * carry * (1 - carry)
            d_3 = _drop(new * (1 - carry), update, written, scale) * _slope(n, ACTIVATION)
            d_1 = d_3 * inner * reset * (1 - reset)
            e_3, d_4 = d_3 * reset, zero  # W h has its part of the candidate behind the reset gate
            old += new * carry
        _put_gates(d_z + at * (G * H) + unit, d_1, d_2, d_3, d_4, valid, H, G)
        if gain_r is not None:
            dr = _join(d_1 * gain_1, d_2 * gain_2, e_3 * gain_3, d_4 * gain_4, HP, P)
            dr = _standard_back(dr, _join(r_1, r_2, r_3, r_4, HP, P), inverse, filled, G * H)
        else:
            dr = _join(d_1, d_2, e_3, d_4, HP, P)
        if d_r is not None:
            tl.store(d_r + (at * H + unit)[:, None] * P + slot[None, :], dr, mask=valid[:, None])
    begun = (first.to(tl.int64) * batch + row) * D + d
    dh = old + tl.sum(_times(tile, dr, weight, d_r, begun, steps > 0, H, P, HP, P, CHUNK), 1)
    tl.store(d_h + edge, dh, mask=valid)
    if KIND == "lstm":
        tl.store(d_c + edge, old_c, mask=valid)
    if sums is not None:
        place = sums + (d * batch + row) * (5 * H) + unit
        _put_gates(place, sum_i, sum_f, sum_o, sum_gain, valid, H, 4)
        tl.store(place + 4 * H, sum_shift, mask=valid)
