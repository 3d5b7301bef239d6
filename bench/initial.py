"""Initial values: each weight from the seed's own stream, then what a cell or the recipe sets by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.cells import Cell
from bench.reference import Convolution
from bench.rng import stream
from bench.spec import Stabilisation


def initialise(model: nn.Module, width: int, recipe: Stabilisation, time: int, seed: int) -> None:
    """torch's own distributions: 1/sqrt(width) for cells, 1/sqrt(inputs) else, the embedding normal.

    A tied embedding is drawn as the head that it is: normal rows would make logits of a deviation of sqrt(width).
    `time` is the longest memory that chrono initialisation provides for.
    """
    with torch.no_grad():
        for name, weight in model.named_parameters():
            generator = stream(seed, "init", name)
            if name.startswith("embed.") and not recipe.tied:
                weight.normal_(generator=generator)
            elif "norm." not in name:
                bound = _inputs(model.get_submodule(name.rpartition(".")[0]), width) ** -0.5
                weight.uniform_(-bound, bound, generator=generator)
        for name, module in model.named_modules():
            if isinstance(module, Cell):
                module.settle()
                _matrices(module, recipe, stream(seed, "init", f"{name}.orthogonal"))
                _biases(module, recipe, time, stream(seed, "init", f"{name}.chrono"))
            if isinstance(module, Cell | Convolution):
                module.measure()


def _inputs(owner: nn.Module, width: int) -> int:
    """How many numbers a unit of this module adds up; the width where it is a cell's."""
    if isinstance(owner, nn.Linear):
        return owner.in_features
    return owner.inputs if isinstance(owner, Convolution) else width


def _matrices(cell: Cell, recipe: Stabilisation, generator: torch.Generator) -> None:
    """Each gate's block of W_hh orthogonal (Saxe, McClelland & Ganguli 2014, gain 1), or the identity (Le, Jaitly &
    Hinton 2015); of a projection's blocks, which are not square, the columns are orthonormal."""
    if recipe.initial == "uniform":
        return
    for block in cell.raw("weight_hh").chunk(cell.gates):
        if recipe.initial == "identity":
            nn.init.eye_(block)
        else:
            nn.init.orthogonal_(block, generator=generator)


def _biases(cell: Cell, recipe: Stabilisation, time: int, generator: torch.Generator) -> None:
    """The forget gate's bias (Jozefowicz, Zaremba & Sutskever 2015), or those of chrono initialisation.

    Tallec & Ollivier 2018: b_f = log u with u uniform in [1, time - 1], so that a unit forgets over about u steps, and
    b_i = -b_f. The gate that keeps is the GRU's update gate, as torch writes it; where a cell has only a gate that
    writes, its bias is the opposite.
    """
    if recipe.chrono:
        span = torch.rand(cell.hidden, generator=generator) * max(time - 2, 0) + 1
        _set(cell, cell.keeps, span.log())
        _set(cell, cell.writes, -span.log())
    elif recipe.forget_bias is not None:
        asked = torch.full((cell.hidden,), recipe.forget_bias)
        _set(cell, cell.keeps, asked)
        if cell.keeps is None:
            _set(cell, cell.writes, -asked)


def _set(cell: Cell, gate: int | None, value: Tensor) -> None:
    """The sum of both of torch's biases of this gate."""
    if gate is not None:
        for name, part in cell.weights.named_parameters():
            if name.startswith("bias_"):
                part.chunk(cell.gates)[gate].copy_(value if name.startswith("bias_ih") else torch.zeros_like(value))
