"""Clipping that adapts: to a unit's weights, and to the norms so far."""

from __future__ import annotations

import statistics

import pytest
import torch
from torch import nn

from bench.clipping import SMALLEST, Clipping, adaptive
from bench.spec import Stabilisation


def weight(values: torch.Tensor, gradient: torch.Tensor) -> nn.Parameter:
    made = nn.Parameter(values)
    made.grad = gradient.clone()
    return made


def test_adaptive_clipping_is_by_unit() -> None:
    """A row whose gradient is too long for its weights is shortened to the ratio, the other rows stay."""
    w = weight(torch.tensor([[3.0, 4.0], [3.0, 4.0]]), torch.tensor([[0.3, 0.4], [0.003, 0.004]]))
    assert adaptive([w], 0.01)
    torch.testing.assert_close(w.grad, torch.tensor([[0.03, 0.04], [0.003, 0.004]]))
    assert not adaptive([w], 0.0101)


def test_adaptive_clipping_lets_a_zero_unit_move() -> None:
    """A unit at zero counts as a little longer than nothing."""
    w = weight(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 0.001]]))
    assert adaptive([w], 0.01)
    torch.testing.assert_close(w.grad, torch.tensor([[0.0, 0.01 * SMALLEST], [0.0, 0.001]]))


def test_adaptive_clipping_takes_a_vector_as_one_unit() -> None:
    """An element of a bias that is zero moves as far as the whole vector's length lets it."""
    w = weight(torch.tensor([0.0, 2.0]), torch.tensor([0.04, 0.0]))
    assert adaptive([w], 0.01)
    torch.testing.assert_close(w.grad, torch.tensor([0.02, 0.0]))


def test_autoclip_uses_the_percentile_of_all_norms_so_far() -> None:
    """The threshold is a quantile of the norms before clipping, this one included."""
    clip, norms = Clipping(Stabilisation(autoclip=50)), list[float]()
    for norm in (4.0, 1.0, 3.0, 2.0, 10.0):
        w = weight(torch.ones(1), torch.tensor([norm]))
        clipped = clip([w])
        norms.append(norm)
        threshold = statistics.median(norms)
        assert float(w.grad) == pytest.approx(min(norm, threshold), rel=1e-4)
        assert clipped == (norm > threshold)
    assert clip.norms == norms


def test_a_recipe_without_clipping_leaves_gradients_alone() -> None:
    """And weights without a gradient are no obstacle to any clipping."""
    w, unused = weight(torch.ones(2), torch.tensor([30.0, 40.0])), nn.Parameter(torch.ones(2))
    assert not Clipping(Stabilisation())([w, unused])
    torch.testing.assert_close(w.grad, torch.tensor([30.0, 40.0]))
    for asked in ({"clip_norm": 5.0}, {"agc": 0.1}, {"autoclip": 10}, {"clip_value": 1.0}):
        Clipping(Stabilisation(**asked))([w, unused])
        assert unused.grad is None
