"""Each cell equals its twin in torch, or its paper's equations written out by hand."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from layers import NOISES, NORMS, Case, sensible, start
from torch import Tensor, nn

from bench.cells import CELLS, GRU, IRNN, LSTM, RNN, Cell, Peephole
from bench.cells.base import ACTIVATIONS
from bench.core import choose, eager, scan
from bench.spec import Activation, CellName, Stabilisation

TWINS: list[tuple[CellName, Activation]] = [(name, act) for name, cell in CELLS.items() for act in cell.exact]
ODD_SHAPES = [(1, 1, 1, 1), (3, 2, 1, 5), (13, 3, 7, 17), (17, 5, 3, 33)]  # time, batch, inputs, hidden
CPU = torch.device("cpu")


def made(name: CellName, inputs: int, hidden: int, recipe: Stabilisation | None = None) -> Cell:
    torch.manual_seed(0)
    return CELLS[name](inputs, hidden, recipe, 5)


@pytest.mark.parametrize(("name", "activation"), TWINS)
@pytest.mark.parametrize("shape", ODD_SHAPES)
def test_cell_equals_torch(name: CellName, activation: Activation, shape: tuple[int, int, int, int]) -> None:
    """Outputs, last state and all gradients of the eager loop are those of torch's layer with the same weights."""
    time, batch, inputs, hidden = shape
    cell = made(name, inputs, hidden, Stabilisation(activation=activation))
    state = start(cell, torch.zeros(time, batch, inputs))
    results = []
    for wanted in ("eager", "fused"):
        x = torch.randn(time, batch, inputs, generator=torch.Generator().manual_seed(1)).requires_grad_()
        y, last = scan([cell], x, state, None, wanted)
        gradients = torch.autograd.grad(y.square().sum() + last[-1].sum(), [x, *cell.parameters()])
        results.append([y, *last, *gradients])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_float32_within_a_millionth(name: CellName) -> None:
    """Over 50 steps the float32 outputs stay within 1e-6 of torch's."""
    cell = made(name, 7, 16)
    x = torch.randn(50, 4, 7)
    mine, theirs = (scan([cell], x, None, None, wanted)[0] for wanted in ("eager", "fused"))
    assert float((mine - theirs).detach().abs().max()) <= 1e-6


MILD = Stabilisation(recurrent_dropout=0.3, zoneout=0.2)
"""Noise that every cell has something for."""

RECIPES: list[Any] = [
    pytest.param(name, recipe, id=f"{name}-{activation}-{norm}-{noise}")
    for name, activation, norm, noise in product(CELLS, ACTIVATIONS, NORMS, NOISES)
    for noisy in [NOISES[noise] if sensible(name, NOISES[noise]) else MILD]
    if sensible(name, recipe := Stabilisation(activation=activation) + NORMS[norm] + noisy)
]
"""Every cell under every recipe that it has something for."""


@pytest.mark.parametrize(("name", "recipe"), RECIPES)
def test_gradcheck(name: CellName, recipe: Stabilisation) -> None:
    """Gradients of the specification in float64 are those of finite differences, whatever the recipe."""
    case = Case(name, recipe, shape=(4, 9, 3), dtype=torch.double)
    assert torch.autograd.gradcheck(*case.function("eager"), fast_mode=True, atol=1e-5, rtol=1e-3)


def test_lstm_step_by_hand() -> None:
    """One LSTM step of one unit, worked out on paper: all weights 1, biases 0, x = 1, h = 0.5, c = 2."""
    h, c = one_step(made("lstm", 1, 1))
    gate = 1 / (1 + math.exp(-1.5))
    memory = gate * 2 + gate * math.tanh(1.5)
    assert c == pytest.approx(memory, rel=1e-6)
    assert h == pytest.approx(gate * math.tanh(memory), rel=1e-6)


def test_peephole_step_by_hand() -> None:
    """The same with peepholes 1, 2 and 3 to i, f and o (Gers & Schmidhuber 2000): i and f see c = 2, o the new c."""
    cell = made("peephole", 1, 1)
    assert isinstance(cell, Peephole)
    h, c = one_step(cell, torch.tensor([[1.0], [2.0], [3.0]]))

    def logistic(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    memory = logistic(1.5 + 2 * 2) * 2 + logistic(1.5 + 1 * 2) * math.tanh(1.5)
    assert c == pytest.approx(memory, rel=1e-6)
    assert h == pytest.approx(logistic(1.5 + 3 * memory) * math.tanh(memory), rel=1e-6)


def one_step(cell: Cell, peepholes: Tensor | None = None) -> tuple[float, float]:
    """h and c after x = 1 from h = 0.5 and c = 2, all weights 1, biases 0."""
    for weight in cell.weights.parameters():
        nn.init.constant_(weight, 1.0 if weight.dim() > 1 else 0.0)
    if isinstance(cell, Peephole) and peepholes is not None:
        cell.peepholes.data = peepholes
    _, (h, c) = eager([cell], torch.ones(1, 1, 1), (torch.tensor([[0.5]]), torch.tensor([[2.0]])))
    return h.item(), c.item()


def test_peepholes_start_shut() -> None:
    """With peepholes of zero, as they start, the cell is an LSTM."""
    x, cell, plain = torch.randn(6, 4, 3), Peephole(3, 5), LSTM(3, 5)
    plain.weights.load_state_dict(cell.weights.state_dict())
    torch.testing.assert_close(eager([cell], x)[0], eager([plain], x)[0])


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_layer_norm_follows_ba(name: CellName) -> None:
    """Ba, Kiros & Hinton 2016, equations 20 to 22: LN of W_h h and of W_x x, each over all gates at once, and of c.

    The simple network and the GRU have the same two products normalised; the reset gate comes after, as in torch.
    """
    cell = made(name, 2, 3, Stabilisation(layer_norm=True))
    with torch.no_grad():
        for weight in cell.parameters():
            weight.add_(torch.empty_like(weight).uniform_(-0.3, 0.3))

    def ln(x: Tensor, gain: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        return gain * centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()

    def logistic(x: Tensor) -> Tensor:
        return 1 / (1 + (-x).exp())

    w, x = cell.weights, torch.randn(5, 8, 2)
    state = start(cell, x)
    y, _ = eager([cell], x, state)
    h, c = state[0], state[-1]
    for t in range(5):
        zx = ln(x[t] @ w.weight_ih_l0.t(), cell.input_norm.gamma) + w.bias_ih_l0
        zh = ln(h @ w.weight_hh_l0.t(), cell.recurrent_norm.gamma) + w.bias_hh_l0
        if name == "rnn":
            h = (zx + zh).tanh()
        elif name == "gru":
            (rx, ux, nx), (rh, uh, nh) = zx.chunk(3, 1), zh.chunk(3, 1)
            new, update = (nx + logistic(rx + rh) * nh).tanh(), logistic(ux + uh)
            h = (1 - update) * new + update * h
        else:
            i, f, g, o = (zx + zh).chunk(4, 1)
            c = logistic(f) * c + logistic(i) * g.tanh()
            h = logistic(o) * (ln(c, cell.cell_norm.gamma) + cell.cell_norm.beta).tanh()
        torch.testing.assert_close(y[t], h)


def test_irnn_starts_as_an_integrator() -> None:
    """Le, Jaitly & Hinton 2015: W_hh the identity, biases zero, ReLU; so the state is the sum of what came in."""
    cell = IRNN(2, 4)
    cell.settle()
    w = cell.weights
    assert torch.equal(w.weight_hh_l0, torch.eye(4))
    assert not w.bias_ih_l0.any()
    assert not w.bias_hh_l0.any()
    assert cell.activation == "relu"
    nn.init.uniform_(w.weight_ih_l0, 0, 1)
    x = torch.rand(7, 3, 2)
    torch.testing.assert_close(eager([cell], x)[0], (x @ w.weight_ih_l0.t()).cumsum(0))


def test_other_cells_settle_nothing() -> None:
    """Only the IRNN sets initial weights by hand."""
    for kind in (RNN, LSTM, Peephole, GRU):
        cell = kind(2, 4)
        before = [weight.clone() for weight in cell.parameters()]
        cell.settle()
        assert all(map(torch.equal, before, cell.parameters()))


@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "hardtanh"])
@pytest.mark.parametrize("name", ["rnn", "lstm", "peephole", "gru"])
def test_activation_is_used(name: CellName, activation: Any) -> None:
    """Another activation gives other states, and ReLU's are never negative where it makes the state."""
    x = torch.randn(6, 4, 3)
    plain, other = made(name, 3, 5), made(name, 3, 5, Stabilisation(activation=activation))
    mine = scan([other], x)[0]
    assert not torch.allclose(scan([plain], x)[0], mine)
    if activation == "relu" and name != "gru":
        assert float(mine.detach().min()) >= 0
    if activation == "hardtanh":
        assert float(mine.detach().abs().max()) <= 1


def test_torch_computes_plain_cells_alone() -> None:
    """torch's layer stands in for tanh cells, the ReLU RNN and weight drop; for no other activation, norm or noise."""
    plain = {name: choose([made(name, 2, 3)], CPU, "fused") for name, cell in CELLS.items() if cell.exact}
    assert plain == dict.fromkeys(plain, "fused")
    assert choose([made("rnn", 2, 3, Stabilisation(activation="relu"))], CPU, "fused") == "fused"
    assert choose([made("lstm", 2, 3, Stabilisation(weight_drop=0.5))], CPU, "fused") == "fused"
    refused = [
        made("peephole", 2, 3),
        *[made("lstm", 2, 3, recipe) for key, recipe in NORMS.items() if key != "none"],
        *[made("lstm", 2, 3, Stabilisation(activation=activation)) for activation in ("relu", "leaky-relu")],
        *[made("gru", 2, 3, Stabilisation(**{noise: 0.1})) for noise in ("recurrent_dropout", "zoneout")],
    ]
    for cell in refused:
        with pytest.raises(ValueError, match="plain cells alone"):
            choose([cell], CPU, "fused")
