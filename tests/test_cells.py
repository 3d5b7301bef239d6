"""Each cell equals its twin in torch; each back end agrees with the cell's own step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.cells import CELLS, Cell
from bench.cells.base import ACTIVATIONS
from bench.core import backend, eager, fused, scan
from bench.normalisation import Recurrent

CASES = [(name, "tanh") for name in CELLS] + [("rnn", "relu")]
ODD_SHAPES = [(1, 1, 1, 1), (3, 2, 1, 5), (13, 3, 7, 17), (17, 5, 3, 33)]  # time, batch, inputs, hidden


def made(name: str, inputs: int, hidden: int, activation: str = "tanh") -> Cell:
    torch.manual_seed(0)
    return CELLS[name](inputs, hidden, activation)


def random_start(cell: Cell, batch: int) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(batch, cell.hidden) for _ in range(cell.states))


@pytest.mark.parametrize(("name", "activation"), CASES)
@pytest.mark.parametrize("shape", ODD_SHAPES)
def test_cell_equals_torch(name: str, activation: str, shape: tuple[int, ...]) -> None:
    """Outputs, last state and all gradients of the eager loop are those of torch's layer with the same weights."""
    time, batch, inputs, hidden = shape
    cell = made(name, inputs, hidden, activation)
    start = random_start(cell, batch)
    weights = dict(cell.named_parameters())
    results = []
    for run in (eager, fused):
        x = torch.randn(time, batch, inputs, generator=torch.Generator().manual_seed(1)).requires_grad_()
        y, last = run(cell, x, start)
        gradients = torch.autograd.grad(y.square().sum() + last[-1].sum(), [x, *weights.values()])
        results.append([y, *last, *gradients])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_float32_within_a_millionth(name: str) -> None:
    """Over 50 steps the float32 outputs stay within 1e-6 of torch's."""
    cell = made(name, 7, 16)
    x = torch.randn(50, 4, 7)
    mine, _ = eager(cell, x, cell.initial(x))
    theirs, _ = fused(cell, x, cell.initial(x))
    assert float((mine - theirs).detach().abs().max()) <= 1e-6


@pytest.mark.parametrize("name", list(CELLS))
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("norm", [None, "input", "recurrent"])
def test_gradcheck(name: str, activation: str, norm: str | None) -> None:
    """Gradients in float64 are those of finite differences, for every cell, activation and normalisation."""
    torch.manual_seed(3)
    cell = CELLS[name](2, 3, activation, norm, 4).double()
    if isinstance(cell.cell_norm, Recurrent):
        nn.init.constant_(
            cell.cell_norm.beta, 0.3
        )  # a memory of zeros would stand on ReLU's kink, which has no derivative
    x = torch.randn(4, 5, 2, dtype=torch.double, requires_grad=True)

    def outputs(x: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(Once(cell), dict(zip(names, weights, strict=True)), (x,))

    names = [f"cell.{key}" for key, _ in cell.named_parameters()]
    assert torch.autograd.gradcheck(outputs, (x, *cell.parameters()), atol=1e-5, rtol=1e-3)


class Once(nn.Module):
    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return eager(self.cell, x, self.cell.initial(x))[0]


def test_lstm_step_by_hand() -> None:
    """One LSTM step of one unit, worked out on paper: all weights 1, biases 0, x = 1, h = 0.5, c = 2."""
    cell = made("lstm", 1, 1)
    for weight in cell.parameters():
        nn.init.constant_(weight, 1.0 if weight.dim() > 1 else 0.0)
    h, c = eager(cell, torch.ones(1, 1, 1), (torch.tensor([[0.5]]), torch.tensor([[2.0]])))[1]
    gate = 1 / (1 + 2.718281828**-1.5)
    memory = gate * 2 + gate * torch.tensor(1.5).tanh().item()
    assert c.item() == pytest.approx(memory, rel=1e-6)
    assert h.item() == pytest.approx(gate * torch.tensor(memory).tanh().item(), rel=1e-6)


@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "hardtanh"])
@pytest.mark.parametrize("name", list(CELLS))
def test_activation_is_used(name: str, activation: str) -> None:
    """Another activation gives other states, and ReLU's are never negative where it makes the state."""
    x = torch.randn(6, 4, 3)
    plain, other = made(name, 3, 5), made(name, 3, 5, activation)
    mine = scan(other, x)[0]
    assert not torch.allclose(scan(plain, x)[0], mine)
    if activation == "relu" and name != "gru":
        assert float(mine.detach().min()) >= 0
    if activation == "hardtanh":
        assert float(mine.detach().abs().max()) <= 1


def test_the_fused_layer_runs_wherever_it_computes_the_cell() -> None:
    """tanh cells and the ReLU RNN are fused; other activations and batch normalisation are not."""
    assert {name: backend(made(name, 2, 3)) for name in CELLS} == dict.fromkeys(CELLS, "fused")
    assert backend(made("rnn", 2, 3, "relu")) == "fused"
    assert backend(made("lstm", 2, 3, "relu")) == "eager"
    assert backend(CELLS["lstm"](2, 3, "tanh", "input", 4)) == "eager"


@pytest.mark.parametrize("name", list(CELLS))
def test_state_is_carried(name: str) -> None:
    """Two halves of a sequence with the state handed over give the states of the whole."""
    cell = made(name, 2, 4)
    x = torch.randn(10, 3, 2)
    whole, _ = scan(cell, x)
    first, state = scan(cell, x[:6])
    second, _ = scan(cell, x[6:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole)
