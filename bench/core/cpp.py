"""The whole sequence in one C++ kernel, threads over batch rows (bench/native/scan.cpp)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from ctypes import Structure, c_double, c_float, c_int64, c_void_p
from typing import Any, get_args

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench import native
from bench.cells.base import State
from bench.core.products import product
from bench.core.recurrence import Recurrence, side_by_side
from bench.normalisation import EPSILON, FEWEST, MOMENTUM, Recurrent
from bench.spec import Activation

KERNELS, ACTIVATIONS, NORMS = ("rnn", "lstm", "gru"), get_args(Activation), (None, "units", "batch")
"""The kernels' switches: their numbers in scan.h and scan.cpp are the places here."""

PARAMETERS = ("bias", "bias_m", "peepholes", "gain_z", "gain_r", "gain_c", "shift_c")
INPUTS = ("z", "weight", *PARAMETERS, "h0", "c0")
"""Recurrence.tensors, by the names that scan.h gives them."""

Arrays = dict[str, Tensor | None]


def _layout(real: Any) -> type[Structure]:
    """Scan of scan.h for numbers of this kind, its small arrays written out."""
    fields = {
        "time batch directions hidden kernel activation norm threads training steps fewest": c_int64,
        "backward_0 backward_1": c_int64,
        "lengths": c_void_p,
        "momentum epsilon written keep_h keep_c": real,
        "z r a m y c n moments_z moments_r moments_c counted population_0 population_1": c_void_p,
        f"weight {' '.join(PARAMETERS)} h0 c0": c_void_p,
        "update_0 update_1 stay_h_0 stay_h_1 stay_c_0 stay_c_1": c_void_p,
        f"dy dz dr dm dh dc {' '.join('d' + name for name in PARAMETERS)}": c_void_p,
    }
    pairs = [(name, kind) for names, kind in fields.items() for name in names.split()]
    return type("Scan", (Structure,), {"_fields_": pairs})


class Population(Structure):
    """Population of scan.h: the statistics of one batch normalisation."""

    _fields_ = (("mean", c_void_p), ("variance", c_void_p), ("seen", c_int64))


LAYOUTS = {torch.float32: _layout(c_float), torch.float64: _layout(c_double)}


def obstacle(device: torch.device) -> str | None:
    """Why the kernels cannot run on this device."""
    if device.type != "cpu":
        return f"runs on the CPU only, not on {device.type}"
    return native.problem()


def loop(recurrence: Recurrence) -> tuple[Tensor, State]:
    """All states, (time, batch, directions * hidden), and the last ones, (directions, batch, hidden) each."""
    y, c = _Scan.apply(recurrence, *recurrence.tensors)
    h = _last(y, recurrence)
    return y, (h,) if c is None else (h, c)


def _last(states: Tensor, r: Recurrence) -> Tensor:
    """Where each direction ends, (directions, batch, hidden)."""
    time, batch, directions, hidden = r.sizes
    parts = states.view(time, batch, directions, hidden)
    return side_by_side([parts[0 if back else -1, :, d] for d, back in enumerate(r.backward)])


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, r: Recurrence, *tensors: Tensor | None) -> tuple[Tensor, Tensor | None]:
        arrays = {name: None if t is None else t.contiguous() for name, t in zip(INPUTS, tensors, strict=True)}
        arrays |= _noise(r) | _room(r, arrays)
        scan = _numbers(r)
        populations = [_populations(modules) for modules in r.norms.populations] if r.norms else []
        for d, found in enumerate(populations):
            setattr(scan, f"population_{d}", ctypes.addressof(found))
        _call("forward", scan, arrays)
        for modules, found in zip(r.norms.populations if r.norms else (), populations, strict=True):
            for module, population in zip(modules, found, strict=True):
                module.remember(population.seen)
        ctx.set_materialize_grads(False)
        ctx.scan, ctx.names, ctx.backward_ways = scan, list(arrays), r.backward
        ctx.save_for_backward(*arrays.values())
        y, c = arrays["y"], arrays["c"]
        assert y is not None
        return y, None if c is None else _last(c, r)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor | None, dc: Tensor | None) -> tuple[Tensor | None, ...]:
        arrays: Arrays = dict(zip(ctx.names, ctx.saved_tensors, strict=True))

        def like(name: str, make: Callable[[Tensor], Tensor] = torch.zeros_like) -> Tensor | None:
            return None if (found := arrays[name]) is None else make(found)

        gradients: Arrays = {
            "dy": like("y") if dy is None else dy.contiguous(),
            "dz": like("z", torch.empty_like),
            "dr": like("r", torch.empty_like),
            "dm": like("m", torch.empty_like),
            "dh": like("h0"),
            "dc": like("c0") if dc is None else dc.clone(),
            **{"d" + name: like(name) for name in PARAMETERS},
        }
        _call("backward", ctx.scan, arrays | gradients)
        dweight = _weight(arrays, gradients, ctx.backward_ways)
        parameters = (gradients["d" + name] for name in PARAMETERS)
        return None, gradients["dz"], dweight, *parameters, gradients["dh"], gradients["dc"]


def _call(way: str, scan: Structure, arrays: Mapping[str, Tensor | None]) -> None:
    """Run a kernel on these arrays."""
    z = arrays["z"]
    assert z is not None
    kernel = native.function(f"scan_{way}_f{torch.finfo(z.dtype).bits}", c_void_p)
    assert kernel is not None, "obstacle() lets nobody come here without kernels"
    for name, array in arrays.items():
        if array is not None:
            setattr(scan, name, array.data_ptr())
    kernel(ctypes.addressof(scan))


def _numbers(r: Recurrence) -> Structure:
    """Sizes and switches."""
    time, batch, directions, hidden = r.sizes
    kind = r.norms.kind if r.norms else None
    noise = r.noise[0]
    keeps = [0.0 if isinstance(keep, Tensor) or keep is None else keep for keep in noise.keep]
    scan = LAYOUTS[r.z.dtype](
        time=time,
        batch=batch,
        directions=directions,
        hidden=hidden,
        kernel=KERNELS.index(r.kernel),
        activation=ACTIVATIONS.index(r.activation),
        norm=NORMS.index(kind),
        threads=torch.get_num_threads(),
        training=r.training,
        steps=r.norms.populations[0][0].steps if kind == "batch" and r.norms else 0,
        fewest=FEWEST,
        momentum=MOMENTUM,
        epsilon=EPSILON,
        written=noise.scale,
        keep_h=keeps[0],
        keep_c=keeps[1] if len(keeps) > 1 else 0.0,
    )
    for d, back in enumerate(r.backward):
        setattr(scan, f"backward_{d}", back)
    return scan


def _noise(r: Recurrence) -> Arrays:
    """The masks, and where sequences end."""
    lengths = None if r.lengths is None else r.lengths.to(torch.int64).contiguous()
    found: Arrays = {"lengths": lengths}
    for d, noise in enumerate(r.noise):
        found[f"update_{d}"] = noise.update
        for state, keep in zip("hc", noise.keep, strict=False):
            found[f"stay_{state}_{d}"] = keep if isinstance(keep, Tensor) else None
    return found


def _room(r: Recurrence, arrays: Arrays) -> Arrays:
    """Arrays that the forward kernel fills; the activated gates take the place of z where nothing is normalised."""
    time, batch, directions, hidden = r.sizes
    wide, memory = r.weight.shape[1], r.kernel == "lstm"
    kind = r.norms.kind if r.norms else None

    def over_time(n: int, wanted: bool = True) -> Tensor | None:
        return r.z.new_empty(time, batch, directions * n) if wanted else None

    def moments(n: int, wanted: bool = True) -> Tensor | None:
        shape = (batch, directions, 2) if kind == "units" else (directions, n)
        return r.z.new_empty(time, *shape) if kind and wanted else None

    return {
        "a": over_time(wide) if kind else arrays["z"],
        "r": over_time(wide, kind is not None),
        "m": over_time(hidden, r.kernel == "gru"),
        "y": over_time(hidden),
        "c": over_time(hidden, memory),
        "n": over_time(hidden, memory and kind == "batch"),
        "moments_z": moments(wide),
        "moments_r": moments(wide),
        "moments_c": moments(hidden, memory),
        "counted": torch.empty(directions, time, dtype=torch.bool) if kind == "batch" else None,
    }


def _populations(modules: tuple[Recurrent, ...]) -> ctypes.Array[Population]:
    """One direction's statistics, which the kernel updates where they are."""
    return (Population * len(modules))(
        *[Population(m.mean.data_ptr(), m.var.data_ptr(), m.steps_seen) for m in modules]
    )


def _weight(arrays: Arrays, gradients: Arrays, backward: tuple[bool, ...]) -> Tensor:
    """Gradient of W_hh: one product over all steps for each direction."""
    dr = gradients["dz"] if gradients["dr"] is None else gradients["dr"]
    bracket = gradients["dm"] if gradients["dr"] is None else None  # the GRU's candidate gets a gradient of its own
    y, h0 = arrays["y"], arrays["h0"]
    assert dr is not None
    assert y is not None
    assert h0 is not None
    hidden, found = h0.shape[2], []
    for d, back in enumerate(backward):
        mine = y[..., d * hidden : (d + 1) * hidden]
        gates = dr.chunk(len(backward), 2)[d]
        if bracket is None:
            found.append(_over_steps(gates, mine, h0[d], back))
        else:
            inner = bracket[..., d * hidden : (d + 1) * hidden]
            parts = (gates[..., : 2 * hidden], inner)
            found.append(torch.cat([_over_steps(part, mine, h0[d], back) for part in parts]))
    return side_by_side(found)


def _over_steps(gradient: Tensor, states: Tensor, first: Tensor, back: bool) -> Tensor:
    """Sum over steps of gradient_t' h_{t-1}: (time, batch, n) and (time, batch, hidden) to (n, hidden)."""
    begin, later, before = (-1, slice(None, -1), slice(1, None)) if back else (0, slice(1, None), slice(None, -1))
    start = product(gradient[begin].t(), first)
    if len(gradient) > 1:
        start += product(gradient[later].flatten(0, 1).t(), states[before].flatten(0, 1))
    return start
