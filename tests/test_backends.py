"""Every back end computes what the specification says: `eager`, which is each cell's own `step` under autograd."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from layers import NOISES, NORMS, ON_CPU, Case, agree, expected, outcome, ready

from bench.cells import CELLS
from bench.cells.base import ACTIVATIONS
from bench.spec import Stabilisation

backends = pytest.mark.parametrize("backend", ON_CPU)
cells = pytest.mark.parametrize("name", [name for name, cell in CELLS.items() if cell.kernel is not None])
norms = pytest.mark.parametrize("norm", list(NORMS))
noises = pytest.mark.parametrize("noise", list(NOISES))


@backends
@cells
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@norms
@noises
def test_back_end_agrees_with_eager(backend: str, name: Any, activation: Any, norm: str, noise: str) -> None:
    """Outputs, last states, all gradients and population statistics, in one and two directions, ragged or not."""
    recipe = Stabilisation(activation=activation) + NORMS[norm] + NOISES[noise]
    for directions, ragged in product((1, 2), (False, True)):
        case = Case(name, recipe, directions, ragged)
        ready(backend, case.cells())
        agree(outcome(backend, case), expected(case), wide=recipe.layer_norm)


@pytest.mark.parametrize(("name", "activation"), [(name, act) for name, cell in CELLS.items() for act in cell.exact])
@pytest.mark.parametrize("drop", [0.0, 0.3])
def test_torch_layer_agrees_with_eager(name: Any, activation: Any, drop: float) -> None:
    """torch's own layer computes plain cells, with or without weight drop."""
    for directions, ragged in product((1, 2), (False, True)):
        case = Case(name, Stabilisation(activation=activation, weight_drop=drop), directions, ragged)
        agree(outcome("fused", case), expected(case))


@backends
@pytest.mark.parametrize("name", ["rnn", "lstm", "peephole", "gru"])
@norms
@noises
def test_gradients_are_those_of_finite_differences(backend: str, name: Any, norm: str, noise: str) -> None:
    """float64, two directions, ragged: of x, the initial state and every weight.

    Not ragged under recurrent batch normalisation: a population that stands in is a number of the batch before.
    """
    case = Case(name, NORMS[norm] + NOISES[noise], 2, norm != "recurrent", (5, 17, 3), torch.float64)
    ready(backend, case.cells())
    assert torch.autograd.gradcheck(*case.function(backend), fast_mode=True, atol=1e-6)


@backends
@pytest.mark.parametrize("name", ["rnn", "lstm", "peephole", "gru"])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 17), (13, 33, 3), (33, 3, 13), (1, 17, 33)])
def test_odd_sizes(backend: str, name: Any, directions: int, shape: tuple[int, int, int]) -> None:
    """Time, batch and width that divide by nothing: gradients in float64 are those of finite differences."""
    case = Case(name, NORMS["none"], directions, shape=shape, dtype=torch.float64)
    ready(backend, case.cells())
    assert torch.autograd.gradcheck(*case.function(backend), fast_mode=True, atol=1e-6)


@backends
@cells
@norms
def test_evaluation_agrees_with_eager(backend: str, name: Any, norm: str) -> None:
    """Zoneout is its expectation, nothing is dropped, and batch normalisation uses the population."""
    for directions, ragged in product((1, 2), (False, True)):
        case = Case(name, NORMS[norm] + NOISES["noisy"], directions, ragged, training=False)
        ready(backend, case.cells())
        agree(outcome(backend, case), expected(case))


@backends
@pytest.mark.parametrize("name", ["lstm", "gru"])
@pytest.mark.parametrize("norm", ["input", "recurrent"])
@pytest.mark.parametrize("steps", [4, 9])
def test_populations_after_some_passes(backend: str, name: Any, norm: str, steps: int) -> None:
    """Several training passes over ragged batches leave the statistics that eager leaves.

    Where the training data promised 4 time steps and 6 come, the last ones share their statistics.
    """
    case = Case(name, NORMS[norm], 2, ragged=True, steps=steps)
    ready(backend, case.cells())
    mine, theirs = case.cells(), case.cells()
    for seed in range(4):
        x = torch.randn(case.x().shape, generator=torch.Generator().manual_seed(seed)) + seed
        agree(outcome(backend, case, mine, x), outcome("eager", case, theirs, x))
    for one, other in zip(mine, theirs, strict=True):
        assert [int(module.seen) for module in one.modules() if hasattr(module, "seen")] == [
            int(module.seen) for module in other.modules() if hasattr(module, "seen")
        ]


@backends
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_long_sequences(backend: str, name: Any) -> None:
    """Over 2 000 steps float32 stays close to float64: with torch's own initial weights errors fade with time."""
    case = Case(name, shape=(2000, 2, 5))
    ready(backend, case.cells())
    agree(outcome(backend, case), outcome("eager", Case(name, shape=(2000, 2, 5), dtype=torch.float64)))


@backends
@cells
@norms
def test_inputs_of_zero(backend: str, name: Any, norm: str) -> None:
    """All-zero inputs, whose variance is none, give finite numbers, and those of eager.

    Under recurrent batch normalisation a batch whose states are all alike has nothing but rounding to be told apart
    by, which is then blown up to a variance of one: there eager is as far from the truth as any.
    """
    case = Case(name, NORMS[norm], scale=0.0)
    ready(backend, case.cells())
    mine = outcome(backend, case)
    assert all(bool(value.isfinite().all()) for value in mine.values())
    if norm != "recurrent":
        agree(mine, expected(case))


@backends
@cells
@norms
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_huge_inputs(backend: str, name: Any, norm: str, activation: Any) -> None:
    """Inputs of ten thousand give finite numbers; in float64, which has digits left for the gates, those of eager."""
    case = Case(name, Stabilisation(activation=activation) + NORMS[norm], scale=1e4)
    ready(backend, case.cells())
    assert all(bool(value.isfinite().all()) for value in outcome(backend, case).values())
    exact = replace(case, dtype=torch.float64)
    ready(backend, exact.cells())
    agree(outcome(backend, exact), expected(exact))
