"""What a cell keeps. Its `step` is the specification: everything else must agree with it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.cells import Cell, Now
from bench.contracts import hold
from bench.core import choose, eager, scan
from bench.network import Layer
from bench.spec import Stabilisation

INPUTS, HIDDEN, TIME, BATCH = 3, 5, 6, 4

RECIPES = {
    "plain": Stabilisation(),
    "layer normalisation": Stabilisation(layer_norm=True),
    "batch normalisation": Stabilisation(batch_norm="input"),
    "weight normalisation": Stabilisation(weight_norm=True),
    "ReLU": Stabilisation(activation="relu"),
    "recurrent dropout and zoneout": Stabilisation(recurrent_dropout=0.3, zoneout=0.2),
}
"""What every cell has something for."""

Kind = type[Cell]


def _made(kind: Kind, recipe: Stabilisation | None = None, dtype: torch.dtype = torch.float32) -> Cell:
    torch.manual_seed(0)
    return kind(INPUTS, HIDDEN, recipe, TIME).to(dtype)


def _x(dtype: torch.dtype = torch.float32, batch: int = BATCH) -> Tensor:
    return torch.randn(TIME, batch, INPUTS, generator=torch.Generator().manual_seed(1)).to(dtype)


def _lengths() -> Tensor:
    return torch.tensor([TIME, 1, TIME // 2, TIME])


def shapes(kind: Kind) -> str | None:
    """a step gives as many states as the cell has, of the sizes it says"""
    cell, x = _made(kind), _x()
    z = cell.project(x, None)
    wide = kind.gates * HIDDEN
    hold(len(z) == TIME and z[0].shape == (BATCH, wide), f"project gives {tuple(z[0].shape)}, gates * hidden is {wide}")
    last = cell.step(z[0], cell.initial(x), Now(0, None, cell.recurrent_weight(), cell.noise(TIME, x)))
    sizes = [kind.out(HIDDEN), *[HIDDEN] * (kind.states - 1)]
    found = [tuple(part.shape) for part in last]
    hold(found == [(BATCH, size) for size in sizes], f"the states are {found}, expected {len(sizes)} of sizes {sizes}")
    return None


def gradients(kind: Kind) -> str | None:
    """gradients in float64 are those of finite differences"""
    cell = _made(kind, dtype=torch.double)
    layer = Layer(cell, None, "eager")
    names, weights = zip(*layer.named_parameters(), strict=True)

    def run(x: Tensor, *given: Tensor) -> Tensor:
        y, last = torch.func.functional_call(layer, dict(zip(names, given, strict=True)), (x, None, None))
        return torch.cat([part.flatten() for part in (y, *last)])

    parts = [part.detach().requires_grad_() for part in (_x(torch.double), *weights)]
    torch.autograd.gradcheck(run, parts, fast_mode=True, atol=1e-5, rtol=1e-3)
    return None


def learns(kind: Kind) -> str | None:
    """every weight has a gradient"""
    cell = _made(kind)
    y, _ = eager([cell], _x())
    y.square().sum().backward()  # type: ignore[no-untyped-call]
    still = [name for name, weight in cell.named_parameters() if weight.grad is None]
    hold(not still, f"no gradient reaches {', '.join(still)}")
    return None


def back_end(kind: Kind) -> str | None:
    """the back end that runs it agrees with its step, over several lengths and in both directions"""
    lengths = _lengths()
    found, chosen = [], ""
    for wanted in ("eager", "auto"):
        cells = [_made(kind), _made(kind)]
        x = _x().requires_grad_()
        chosen = choose(cells, x.device, "auto")
        y, _ = scan(cells, x, None, lengths, wanted)  # type: ignore[arg-type]
        valid = torch.arange(TIME).unsqueeze(1) < lengths
        y = y * valid.unsqueeze(2)
        weights = [weight for cell in cells for weight in cell.parameters()]
        found.append([y, *torch.autograd.grad(y.square().sum(), [x, *weights], allow_unused=True)])
    for mine, theirs in zip(*found, strict=True):
        if mine is None or theirs is None:
            hold(mine is theirs, f"{chosen} computes a gradient that step does not, or the other way round")
        else:
            close = torch.allclose(mine, theirs, rtol=1e-4, atol=1e-5)
            hold(close, f"{chosen} and step differ; a cell with a step of its own says kernel = None and exact = ()")
    return None


def rows(kind: Kind) -> str | None:
    """sequences side by side do not see each other, and padding changes nothing"""
    cell, x, lengths = _made(kind), _x(), _lengths()
    y, _ = eager([cell], x, None, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone, _ = eager([cell], x[:length, row : row + 1])
        hold(torch.allclose(alone[:, 0], y[:length, row], atol=1e-6), "a sequence alone gives something else")
    return None


def recipes(kind: Kind) -> str | None:
    """normalisation, other activations and noise run, and give finite states and gradients"""
    for name, recipe in RECIPES.items():
        cell = _made(kind, recipe).train()
        y, _ = eager([cell], _x())
        y.square().sum().backward()  # type: ignore[no-untyped-call]
        fine = y.isfinite().all() and all(w.grad is None or w.grad.isfinite().all() for w in cell.parameters())
        hold(fine, f"not finite with {name}")
    return None


CHECKS: tuple[Callable[[Kind], str | None], ...] = (shapes, gradients, learns, back_end, rows, recipes)
