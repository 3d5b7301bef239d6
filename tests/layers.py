"""Recurrent layers to compare back ends on: what goes in, what comes out, and how close is close."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import pytest
import torch
from torch import Tensor

from bench.cells import CELLS, SLSTM, Cell
from bench.core import LOOPS, obstacle, scan
from bench.network import Layer
from bench.sense import nonsense
from bench.sequences import mask
from bench.spec import Architecture, Backend, CellName, Stabilisation
from tasks.card import Card

ON_CPU = [name for name in LOOPS if name != "triton"]
"""tests/test_triton.py has comparisons of its own, under Triton's interpreter."""

NORMS = {
    "none": Stabilisation(),
    "input": Stabilisation(batch_norm="input"),
    "layer": Stabilisation(layer_norm=True),
    "recurrent": Stabilisation(batch_norm="recurrent"),
}
NOISES = {
    "quiet": Stabilisation(),
    "noisy": Stabilisation(recurrent_dropout=0.3, zoneout=0.2, zoneout_memory=0.4, weight_drop=0.3),
}


def sensible(name: CellName, recipe: Stabilisation) -> bool:
    """Whether this cell has what the recipe would change."""
    return nonsense(Architecture(name), recipe, Card("toy/labels", "toy", "accuracy", "higher", "%", "tests")) is None


def start(cell: Cell, like: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, ...]:
    """States of no special value for x; the sLSTM's n, a sum of weights, is positive."""
    drawn = [torch.randn(part.shape, generator=generator) for part in cell.initial(like)]
    if isinstance(cell, SLSTM):
        drawn[2] = drawn[2].abs() + 1
    return tuple(part.to(like) for part in drawn)


@dataclass(frozen=True)
class Case:
    """Cells, and sequences for them to read."""

    name: CellName = "lstm"
    recipe: Stabilisation = NORMS["none"]
    directions: int = 1
    ragged: bool = False
    shape: tuple[int, int, int] = (6, 17, 13)  # time, batch, hidden
    dtype: torch.dtype = torch.float32
    scale: float = 1.0  # of x
    training: bool = True
    steps: int | None = None  # of the training data; None: those of the shape
    device: str = "cpu"

    def cells(self) -> list[Cell]:
        """Weights, gains and peepholes of no special value."""
        time, _, hidden = self.shape
        torch.manual_seed(0)
        made = [CELLS[self.name](3, hidden, self.recipe, self.steps or time) for _ in range(self.directions)]
        with torch.no_grad():
            for weight in [weight for cell in made for weight in cell.parameters()]:
                weight.add_(torch.empty_like(weight).uniform_(-0.1, 0.1))
        return [cell.to(self.device, self.dtype).train(self.training) for cell in made]

    def x(self) -> Tensor:
        time, batch, _ = self.shape
        drawn = torch.randn(time, batch, 3, generator=torch.Generator().manual_seed(1))
        return (self.scale * drawn).to(self.device, self.dtype)

    def state(self) -> tuple[Tensor, ...]:
        return start(self.cells()[0], self.x(), torch.Generator().manual_seed(2))

    def lengths(self) -> Tensor | None:
        """Of every length there is, some of them several times."""
        time, batch, _ = self.shape
        return 1 + (7 * torch.arange(batch)) % time if self.ragged else None

    def function(self, backend: Backend) -> tuple[Callable[[Tensor], Tensor], Tensor]:
        """All that comes out as a function of all that a gradient is wanted of, in one row; and where to take it."""
        cells, lengths = self.cells(), self.lengths()
        layer = Layer(cells[0], cells[1] if len(cells) > 1 else None, backend)
        names, weights = zip(*layer.named_parameters(), strict=True)
        parts = [self.x(), *self.state(), *weights]

        def run(row: Tensor) -> Tensor:
            torch.manual_seed(4)  # of the noise
            cut = row.split([part.numel() for part in parts])
            x, *rest = (piece.view_as(part) for piece, part in zip(cut, parts, strict=True))
            given, state = dict(zip(names, rest[-len(names) :], strict=True)), tuple(rest[: -len(names)])
            y, last = torch.func.functional_call(layer, given, (x, state, lengths))
            if (valid := mask(x, lengths)) is not None:
                y, last = y * valid.unsqueeze(2), ()
            return torch.cat([part.flatten() for part in (y, *last)])

        return run, torch.cat([part.detach().flatten() for part in parts]).requires_grad_()


def ready(backend: str, cells: Sequence[Cell]) -> None:
    """Skips where the back end cannot run these cells here."""
    if (why := obstacle(backend, cells, next(cells[0].parameters()).device)) is not None:
        pytest.skip(why)


def outcome(
    backend: Backend, case: Case, cells: Sequence[Cell] | None = None, x: Tensor | None = None
) -> dict[str, Tensor]:
    """Outputs, last states, the gradients of a loss that weighs them all, and population statistics, by name.

    Only what stands within the lengths counts. Cells that are handed over learn their populations.
    """
    cells = case.cells() if cells is None else cells
    x = (case.x() if x is None else x).detach().requires_grad_()
    state = tuple(part.requires_grad_() for part in case.state())
    lengths = case.lengths()
    torch.manual_seed(4)  # of the noise
    y, last = scan(cells, x, state, lengths, backend)
    if (valid := mask(x, lengths)) is not None:
        y, last = y * valid.unsqueeze(2), ()
    generator = torch.Generator().manual_seed(5)
    weighed = [(part * torch.randn(part.shape, generator=generator).to(y)).sum() for part in (y, *last)]
    asked = {"x": x} | {f"state {i}": part for i, part in enumerate(state)}
    asked |= {f"{name} of {i}": weight for i, cell in enumerate(cells) for name, weight in cell.named_parameters()}
    gradients = torch.autograd.grad(sum(weighed, y.new_zeros(())), list(asked.values()))
    found = {"y": y.detach()} | {f"last {i}": part.detach() for i, part in enumerate(last)}
    found |= {f"gradient of {key}": gradient for key, gradient in zip(asked, gradients, strict=True)}
    buffers = {f"{name} of {i}": kept for i, cell in enumerate(cells) for name, kept in cell.named_buffers()}
    return found | {key: kept.clone() for key, kept in buffers.items()}


@cache
def expected(case: Case) -> dict[str, Tensor]:
    """What the specification makes of it in float64: in float32 eager is as far off as any back end."""
    return outcome("eager", replace(case, dtype=torch.float64))


def agree(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor], wide: bool = False) -> None:
    """The difference is at most 1e-5 of the largest number of each tensor; twice that under recurrent batch norm, or
    where `wide`.

    It divides by small deviations, step after step: in float32 eager itself is off by up to 7e-6 there. So does layer
    norm: kernels built for AVX2 were off by up to 1.3e-5 in two of all its cases, those for AVX-512 never above 1e-5.
    """
    assert mine.keys() == theirs.keys()
    close = 2e-5 if wide or any("recurrent_norm.mean" in key for key in mine) else 1e-5
    for key, value in theirs.items():
        difference, largest = float((mine[key].double() - value.double()).abs().max()), float(value.abs().max())
        assert difference <= close * largest, f"{key} is off by {difference:.1e}, its largest number {largest:.1e}"
