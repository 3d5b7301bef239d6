"""Batch normalisation does what its papers say."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.cells import LSTM
from bench.core import eager
from bench.normalisation import FEWEST, Recurrent, Units
from bench.spec import Stabilisation


def test_rows_are_normalised() -> None:
    """In training a feature has mean 0 and standard deviation gamma over the batch."""
    norm = Recurrent(4, steps=3, gamma=0.1)
    y = norm(5 + 3 * torch.randn(64, 4), 1, None)
    torch.testing.assert_close(y.mean(0), torch.zeros(4), atol=1e-6, rtol=0)
    torch.testing.assert_close(y.std(0, correction=0), torch.full((4,), 0.1), atol=1e-4, rtol=0)


def test_units_are_normalised() -> None:
    """Layer normalisation gives each row mean 0 and standard deviation gamma, in training and after, row by row."""
    norm = Units(64)
    nn.init.constant_(norm.gamma, 0.5)
    x = 5 + 3 * torch.randn(4, 64)
    y = norm(x, 0, None)
    torch.testing.assert_close(y.mean(1), torch.zeros(4), atol=1e-6, rtol=0)
    torch.testing.assert_close(y.std(1, correction=0), torch.full((4,), 0.5), atol=1e-4, rtol=0)
    assert torch.equal(norm.eval()(x, 0, None), y)
    torch.testing.assert_close(norm(x[:1], 0, None), y[:1])


def test_equals_torch_batch_norm() -> None:
    """With gamma 1 it is nn.BatchNorm1d: outputs, gradients, and population statistics from the second batch on."""
    mine, theirs = Recurrent(3, steps=1, gamma=1.0, shift=True), nn.BatchNorm1d(3)
    x = torch.randn(10, 3, requires_grad=True)
    a, b = mine(x, 0, None), theirs(x)
    torch.testing.assert_close(a, b)
    weights = torch.randn(10, 3)
    for p, q in zip(
        torch.autograd.grad((a * weights).sum(), [x, mine.gamma, mine.beta]),
        torch.autograd.grad((b * weights).sum(), [x, theirs.weight, theirs.bias]),
        strict=True,
    ):
        torch.testing.assert_close(p, q)
    with torch.no_grad():
        theirs.running_mean.copy_(mine.mean[0])
        theirs.running_var.copy_(mine.var[0])
    more = torch.randn(10, 3) + 1
    mine(more, 0, None), theirs(more)
    torch.testing.assert_close(mine.mean[0], theirs.running_mean)
    torch.testing.assert_close(mine.var[0], theirs.running_var)
    torch.testing.assert_close(mine.eval()(more, 0, None), theirs.eval()(more))


def test_each_time_step_has_its_own_statistics() -> None:
    """What is seen at one step changes the population of that step alone."""
    norm = Recurrent(2, steps=3)
    for t in range(3):
        norm(torch.randn(50, 2) + 10 * t, t, None)
    assert norm.mean[:, 0].round().tolist() == pytest.approx([0, 10, 20], abs=1)


def test_steps_beyond_the_last_use_the_last() -> None:
    """A longer sequence than any in training is normalised with the statistics of the last step seen."""
    norm = Recurrent(2, steps=10)
    for t in range(3):
        norm(torch.randn(50, 2) + 10 * t, t, None)
    norm.eval()
    x = torch.randn(4, 2)
    torch.testing.assert_close(norm(x, 7, None), norm(x, 2, None))
    torch.testing.assert_close(norm(x, 70, None), norm(x, 2, None))
    copied = Recurrent(2, steps=10).eval()
    copied.load_state_dict(norm.state_dict())
    torch.testing.assert_close(copied(x, 7, None), norm(x, 7, None))


def test_ended_sequences_do_not_count() -> None:
    """Rows of padding change neither the statistics nor the other rows, whatever they hold."""
    rows = torch.arange(16) < 12
    x = torch.randn(16, 3)
    y = x.clone()
    y[12:] = 1e3
    one, other = Recurrent(3, steps=2), Recurrent(3, steps=2)
    torch.testing.assert_close(one(x, 0, rows)[:12], other(y, 0, rows)[:12])
    torch.testing.assert_close(one.mean, other.mean)
    torch.testing.assert_close(one.mean[0], 0 + x[:12].mean(0))


@pytest.mark.parametrize("left", [1, FEWEST - 1])
def test_a_few_rows_are_normalised_by_the_population(left: int) -> None:
    """Where few sequences are left their variance is no estimate: it is neither used nor remembered."""
    norm = Recurrent(3, steps=2)
    norm(10 + torch.randn(20, 3), 0, None)
    before = norm.var.clone()
    x = 10 + torch.randn(20, 3)
    y = norm(x, 1, torch.arange(20) < left)
    torch.testing.assert_close(y, 0.1 * (x - norm.mean[0]) / (norm.var[0] + 1e-5).sqrt())
    assert torch.equal(norm.var, before)
    assert int(norm.seen) == 1


def test_recurrent_bn_follows_cooijmans() -> None:
    """Equations 6-8 of Cooijmans et al. 2016 written out: BN on W_h h, on W_x x and on c, gamma 0.1, bias apart."""
    torch.manual_seed(0)
    cell = LSTM(2, 3, Stabilisation(batch_norm="recurrent"), time=5)
    gains = [float(norm.gamma[0].detach()) for norm in cell.modules() if isinstance(norm, Recurrent)]
    assert gains == pytest.approx([0.1] * 3)

    def bn(x: torch.Tensor) -> torch.Tensor:
        return 0.1 * (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt()

    x = torch.randn(5, 8, 2)
    h, c = torch.randn(8, 3), torch.randn(8, 3)
    y, _ = eager([cell], x, (h, c))
    w = cell.weights
    for t in range(5):
        gates = bn(h @ w.weight_hh_l0.t()) + bn(x[t] @ w.weight_ih_l0.t()) + w.bias_ih_l0 + w.bias_hh_l0
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * bn(c).tanh()
        torch.testing.assert_close(y[t], h)


def test_input_bn_follows_laurent() -> None:
    """Laurent et al. 2015: W_x x is normalised over batch and time together, the recurrent part is left alone."""
    torch.manual_seed(0)
    cell = LSTM(2, 3, Stabilisation(batch_norm="input"), time=5)
    x = torch.randn(5, 8, 2)
    z = (x @ cell.weights.weight_ih_l0.t()).flatten(0, 1)
    z = ((z - z.mean(0)) / (z.var(0, correction=0) + 1e-5).sqrt()).view(5, 8, 12) + cell.weights.bias_ih_l0
    for mine, theirs in zip(cell.project(x, None), z, strict=True):
        torch.testing.assert_close(mine, theirs)
    assert sum(isinstance(module, Recurrent) for module in cell.modules()) == 1
