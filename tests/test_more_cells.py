"""The cells that torch does not have: each equals its paper's equations, written out or in another form."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from layers import start
from torch import Tensor, nn

from bench.cells import CELLS, SLSTM, Cell, IndRNN, MinGRU, MinLSTM, Projection
from bench.core import choose, eager, scan
from bench.sense import nonsense
from bench.spec import Architecture, CellName, Stabilisation
from tasks.cards import TASKS

TIME, BATCH, INPUTS, HIDDEN = 7, 4, 3, 5


def made(name: CellName, recipe: Stabilisation | None = None) -> tuple[Cell, Tensor, tuple[Tensor, ...]]:
    """A cell in float64, its inputs and a state of no special value."""
    torch.manual_seed(0)
    cell = CELLS[name](INPUTS, HIDDEN, recipe, TIME).double()
    x = torch.randn(TIME, BATCH, INPUTS, dtype=torch.float64)
    return cell, x, start(cell, x)


def gates(cell: Cell, x: Tensor, h: Tensor) -> list[Tensor]:
    """W x + b + U h + d of every gate, by its own matrix."""
    w = cell.weights
    each = []
    for k in range(cell.gates):
        rows = slice(k * HIDDEN, (k + 1) * HIDDEN)
        inner = w.weight_ih_l0[rows] @ x.t() + w.weight_hh_l0[rows] @ h.t()
        each.append(inner.t() + w.bias_ih_l0[rows] + w.bias_hh_l0[rows])
    return each


def logistic(x: Tensor) -> Tensor:
    return 1 / (1 + (-x).exp())


def test_coupled_gates() -> None:
    """Greff et al. 2017, CIFG: c = f c + (1 - f) tanh g, h = o tanh c."""
    cell, x, (h, c) = made("cifg")
    y, last = eager([cell], x, (h, c))
    for t in range(TIME):
        f, g, o = gates(cell, x[t], h)
        c = logistic(f) * c + (1 - logistic(f)) * g.tanh()
        h = logistic(o) * c.tanh()
        torch.testing.assert_close(y[t], h)
    torch.testing.assert_close(last, (h, c))


def test_coupled_gates_are_an_lstm_whose_input_gate_is_the_opposite() -> None:
    """The same as nn.LSTM whose input gate has the forget gate's weights with the sign turned: 1 - f(a) = f(-a)."""
    cell, x, state = made("cifg")
    twin = nn.LSTM(INPUTS, HIDDEN, dtype=torch.float64)
    for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        f, g, o = cell.weight(kind).detach().chunk(3)
        getattr(twin, f"{kind}_l0").data = torch.cat([-f, f, g, o])
    expected, _ = twin(x, tuple(part.unsqueeze(0) for part in state))
    torch.testing.assert_close(eager([cell], x, state)[0], expected)


@pytest.mark.filterwarnings("ignore:LSTM with projections")  # torch's own loop stands in for oneDNN
@pytest.mark.parametrize("hidden", [2, 4, 7, 16])
def test_projection_equals_torch(hidden: int) -> None:
    """Outputs, both last states and every gradient of nn.LSTM with proj_size, a quarter of the memory rounded up."""
    torch.manual_seed(0)
    cell = Projection(INPUTS, hidden).double()
    twin = nn.LSTM(INPUTS, hidden, proj_size=-(-hidden // 4), dtype=torch.float64)
    twin.load_state_dict(cell.weights.state_dict())
    x = torch.randn(TIME, BATCH, INPUTS, dtype=torch.float64)
    state = start(cell, x)
    assert [part.shape[1] for part in state] == [-(-hidden // 4), hidden]
    y, (h, c) = eager([cell], x, state)
    expected, (last_h, last_c) = twin(x, tuple(part.unsqueeze(0) for part in state))
    torch.testing.assert_close((y, h, c), (expected, last_h[0], last_c[0]))
    mine = torch.autograd.grad(y.square().sum() + c.sum(), list(cell.parameters()))
    theirs = torch.autograd.grad(expected.square().sum() + last_c.sum(), list(twin.parameters()))
    named = dict(zip((name for name, _ in twin.named_parameters()), theirs, strict=True))
    for (name, _), gradient in zip(cell.weights.named_parameters(), mine, strict=True):
        torch.testing.assert_close(gradient, named[name])


def test_independent_units() -> None:
    """Li et al. 2018: h_i = relu((W x)_i + u_i h_i + b_i), so no gradient passes from one unit to another."""
    cell, x, (h,) = made("indrnn")
    y, _ = eager([cell], x, (h,))
    w = cell.weights
    expected = h
    for t in range(TIME):
        rows = []
        for i in range(HIDDEN):
            a = x[t] @ w.weight_ih_l0[i] + w.weight_hh_l0[i] * expected[:, i] + w.bias_ih_l0[i] + w.bias_hh_l0[i]
            rows.append(a.clamp(min=0))
        expected = torch.stack(rows, 1)
        torch.testing.assert_close(y[t], expected)
    jacobian = torch.autograd.functional.jacobian(lambda start: eager([cell], x[:1], (start,))[0][0, 0], h)[:, 0]
    assert torch.equal(jacobian, jacobian.diagonal().diag())


def test_independent_units_begin_within_their_bound() -> None:
    """Uniform in [0, 2**(1 / time)]: over the longest sequence no unit more than doubles what it holds."""
    cell = IndRNN(3, 5_000, None, 50)
    cell.settle()
    u = cell.weight("weight_hh").detach()
    bound = 2 ** (1 / 50)
    assert float(u.min()) >= 0
    assert float(u.max()) <= bound
    assert float(u.mean()) == pytest.approx(bound / 2, rel=0.05)
    assert float(u.max()) ** 50 <= 2 + 1e-5


def test_minimal_gru_equals_its_sum_over_the_past() -> None:
    """Feng et al. 2024, not step by step: h_t is a sum over all candidates, each times what later gates left of it."""
    cell, x, (h,) = made("mingru")
    w = cell.weights
    z = x @ w.weight_ih_l0.t() + w.bias_ih_l0
    u, n = logistic(z[..., :HIDDEN]), z[..., HIDDEN:]
    y, _ = eager([cell], x, (h,))
    for t in range(TIME):
        parts = [u[k] * n[k] * (1 - u[k + 1 : t + 1]).prod(0) for k in range(t + 1)]
        torch.testing.assert_close(y[t], sum(parts) + (1 - u[: t + 1]).prod(0) * h)


def test_minimal_lstm_equals_its_sum_over_the_past() -> None:
    """The same with f' = f / (f + i) and i' = i / (f + i), whose sum is one: h stays between the candidates."""
    cell, x, (h,) = made("minlstm")
    w = cell.weights
    i, f, n = (x @ w.weight_ih_l0.t() + w.bias_ih_l0).split(HIDDEN, 2)
    write = logistic(i) / (logistic(i) + logistic(f))
    y, _ = eager([cell], x, (h,))
    for t in range(TIME):
        parts = [write[k] * n[k] * (1 - write[k + 1 : t + 1]).prod(0) for k in range(t + 1)]
        torch.testing.assert_close(y[t], sum(parts) + (1 - write[: t + 1]).prod(0) * h)
    highest = torch.cat([n, h.unsqueeze(0)]).amax(0)
    assert bool((y <= highest + 1e-12).all())


@pytest.mark.parametrize("kind", [MinGRU, MinLSTM])
def test_minimal_candidates_pass_an_activation_that_is_asked_for(kind: type[Cell]) -> None:
    """tanh, the default, is what the papers took out; any other activation is there."""
    plain, relu = kind(3, 6), kind(3, 6, Stabilisation(activation="relu"))
    relu.load_state_dict(plain.state_dict())
    x = torch.randn(5, 4, 3)
    assert float(eager([plain], x)[0].detach().min()) < 0
    assert float(eager([relu], x)[0].detach().min()) >= 0


def test_slstm_equals_the_equations_without_a_stabiliser() -> None:
    """Beck et al. 2024, equations 8 to 14 as they stand, exponentials and all: the stabiliser changes no output."""
    cell, x, _ = made("slstm")
    y, (_, _, _, m) = eager([cell], x)
    h = c = n = torch.zeros(BATCH, HIDDEN, dtype=torch.float64)
    for t in range(TIME):
        i, f, g, o = gates(cell, x[t], h)
        c = logistic(f) * c + i.exp() * g.tanh()
        n = logistic(f) * n + i.exp()
        h = logistic(o) * c / n
        torch.testing.assert_close(y[t], h)
    assert bool(m.isfinite().all())


@pytest.mark.parametrize("scale", [1e4, 0.0])
def test_slstm_survives_gates_of_ten_thousand(scale: float) -> None:
    """exp(10 000) overflows; the stabilised cell gives finite states and gradients, and |h| stays below one."""
    cell, x, _ = made("slstm")
    y, _ = eager([cell], scale * x)
    assert bool(y.isfinite().all())
    assert float(y.detach().abs().max()) <= 1
    assert all(bool(g.isfinite().all()) for g in torch.autograd.grad(y.sum(), list(cell.parameters())))


def test_slstm_h_is_zoned_out_alone() -> None:
    """Under zoneout some units keep their h; c, n and m go on."""
    torch.manual_seed(0)
    cell, plain, x = SLSTM(3, 40, Stabilisation(zoneout=0.5)).train(), SLSTM(3, 40), torch.randn(1, 6, 3)
    plain.load_state_dict(cell.state_dict())
    state = start(cell, x)
    mine, theirs = eager([cell], x, state)[1], eager([plain], x, state)[1]
    kept = mine[0] == state[0]
    assert 0.3 < float(kept.float().mean()) < 0.7
    assert torch.equal(mine[0][~kept], theirs[0][~kept])
    assert all(map(torch.equal, mine[1:], theirs[1:]))


@pytest.mark.parametrize("norm", ["batch_norm", "layer_norm"])
@pytest.mark.parametrize("name", ["cifg", "projection", "slstm", "indrnn", "mingru", "minlstm"])
def test_normalisation_is_used(name: CellName, norm: str) -> None:
    """Normalised gates do not care for the scale of the inputs, whose bias is none."""
    recipe: dict[str, Any] = {norm: "input" if norm == "batch_norm" else True}
    cell, x, state = made(name, Stabilisation(**recipe))
    torch.testing.assert_close(eager([cell], 100 * x, state)[0], eager([cell], x, state)[0], rtol=2e-3, atol=2e-3)
    plain, x, state = made(name)
    assert not torch.allclose(eager([plain], 100 * x, state)[0], eager([plain], x, state)[0], rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("name", list(CELLS))
def test_weight_norm_is_a_direction_and_a_length(name: CellName) -> None:
    """Salimans & Kingma 2016: rows g v / |v|. The start is the same function; v may be scaled, and g scales the row."""
    recipe = Stabilisation(weight_norm=True)
    cell, x, state = made(name, recipe)
    plain, _, _ = made(name)
    plain.weights.load_state_dict(cell.weights.state_dict())
    before = scan([cell], x, state)[0]
    torch.testing.assert_close(before, scan([plain], x, state)[0])
    matrices = [key for key in ("weight_ih", "weight_hh") if key in cell.gains]
    assert matrices == {"indrnn": ["weight_ih"], "mingru": ["weight_ih"], "minlstm": ["weight_ih"]}.get(
        name, ["weight_ih", "weight_hh"]
    )
    with torch.no_grad():
        for key in matrices:
            cell.raw(key).mul_(torch.rand(len(cell.raw(key)), 1, dtype=torch.float64) + 0.5)
    torch.testing.assert_close(scan([cell], x, state)[0], before)
    with torch.no_grad():
        for key in matrices:
            cell.gains[key].mul_(2.0)
            torch.testing.assert_close(cell.weight(key), 2 * plain.raw(key))
    after = scan([cell], x, state)[0]
    assert not torch.allclose(after, before)
    (gradient,) = torch.autograd.grad(after.square().sum(), cell.raw("weight_ih"))
    assert float((gradient * cell.raw("weight_ih").detach()).sum(1).abs().max()) < 1e-9  # v moves across itself alone


@pytest.mark.parametrize("backend", ["cpp", "fused", "fn"])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "projection"])
def test_weight_norm_on_every_back_end(backend: Any, name: CellName) -> None:
    """What the cell hands over is normalised already: outputs and gradients are those of eager."""
    cell, x, state = made(name, Stabilisation(weight_norm=True))
    if name == "projection" and backend != "fused":
        assert choose([cell], x.device) == "fused"
        return
    with torch.no_grad():
        for gain in cell.gains.values():
            gain.mul_(1.3)
    results = []
    for wanted in ("eager", backend):
        y, _ = scan([cell], x, state, None, wanted)
        results.append([y, *torch.autograd.grad(y.square().sum(), list(cell.parameters()), allow_unused=True)])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_one_unit_by_hand() -> None:
    """One sLSTM unit on paper, all weights 1, biases 0, x = 1, h = 0.5, c = 2, n = 4, m = 0: every gate sees 1.5."""
    cell = SLSTM(1, 1)
    for weight in cell.weights.parameters():
        nn.init.constant_(weight, 1.0 if weight.dim() > 1 else 0.0)
    state = tuple(torch.tensor([[value]]) for value in (0.5, 2.0, 4.0, 0.0))
    _, (h, c, n, m) = eager([cell], torch.ones(1, 1, 1), state)
    gate = 1 / (1 + math.exp(-1.5))
    memory, weight = gate * 2 + math.exp(1.5) * math.tanh(1.5), gate * 4 + math.exp(1.5)
    assert h.item() == pytest.approx(gate * memory / weight, rel=1e-6)
    assert c.item() * math.exp(m.item()) == pytest.approx(memory, rel=1e-6)
    assert n.item() * math.exp(m.item()) == pytest.approx(weight, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "recipe", "why"),
    [
        ("mingru", Stabilisation(weight_drop=0.5), "do not read the state"),
        ("minlstm", Stabilisation(batch_norm="recurrent"), "do not read the state"),
        ("mingru", Stabilisation(initial="orthogonal"), "do not read the state"),
        ("indrnn", Stabilisation(initial="identity"), "no matrix"),
        ("irnn", Stabilisation(initial="identity"), "from the identity as it is"),
        ("slstm", Stabilisation(zoneout_memory=0.5), "scale"),
        ("indrnn", Stabilisation(chrono=True), "no forget gate"),
    ],
)
def test_what_a_cell_has_not_is_refused(name: CellName, recipe: Stabilisation, why: str) -> None:
    """A pair that would change nothing is a skipped row with its reason; on the LSTM the recipe means something."""
    card = TASKS["series/mackey-glass"]
    assert why in str(nonsense(Architecture(name), recipe, card))
    assert nonsense(Architecture(), recipe, card) is None
