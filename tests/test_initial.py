"""Initial values that a recipe sets: what stands in the network once it is built."""

from __future__ import annotations

import math

import pytest
import torch
from toys import Labels, Symbols, network

from bench.cells import CELLS, Cell
from bench.core import eager
from bench.network import Network, Shape
from bench.sense import FORGETFUL, MEMORYLESS
from bench.spec import Architecture, CellName, Stabilisation

SQUARE: list[CellName] = [name for name in CELLS if name not in (*MEMORYLESS, "indrnn")]


def wide(cell: CellName, recipe: Stabilisation, time: int = 9, width: int = 12) -> Network:
    """A network of two layers whose task has this many steps."""
    shape = Shape(3, 2, False, False, False, time)
    return Network(shape, Architecture(cell, depth=2), recipe, width, seed=0)


def bias(cell: Cell, gate: int) -> torch.Tensor:
    """Both of torch's biases of a gate together."""
    names = [name for name in ("bias_ih", "bias_hh") if hasattr(cell.weights, f"{name}_l0")]
    return sum((cell.raw(name).detach().chunk(cell.gates)[gate] for name in names), torch.zeros(cell.hidden))


@pytest.mark.parametrize("name", SQUARE)
def test_orthogonal_blocks(name: CellName) -> None:
    """Each gate's block of W_hh by itself: W'W is the identity, and no two blocks or seeds are alike."""
    for cell in wide(name, Stabilisation(initial="orthogonal")).cells:
        blocks = cell.raw("weight_hh").detach().chunk(cell.gates)
        for block in blocks:
            torch.testing.assert_close(block.t() @ block, torch.eye(block.shape[1]), rtol=0, atol=1e-5)
        assert all(not torch.allclose(a, b) for i, a in enumerate(blocks) for b in blocks[:i])


@pytest.mark.parametrize("name", [name for name in SQUARE if name != "irnn"])
def test_identity_blocks(name: CellName) -> None:
    """Each gate's block of W_hh is the identity; nothing else is touched."""
    identity, plain = wide(name, Stabilisation(initial="identity")), wide(name, Stabilisation())
    for cell in identity.cells:
        for block in cell.raw("weight_hh").detach().chunk(cell.gates):
            assert torch.equal(block, torch.eye(*block.shape))
    others = plain.state_dict()
    assert all(
        torch.equal(value, others[key]) for key, value in identity.state_dict().items() if "weight_hh" not in key
    )


@pytest.mark.parametrize("name", FORGETFUL)
def test_forget_bias_is_the_sum_of_both(name: CellName) -> None:
    """The gate that keeps gets a bias of exactly 1, one that only writes the opposite; no other bias moves."""
    set_, plain = wide(name, Stabilisation(forget_bias=1.0)), wide(name, Stabilisation())
    for cell, other in zip(set_.cells, plain.cells, strict=True):
        gate, value = (cell.keeps, 1.0) if cell.keeps is not None else (cell.writes, -1.0)
        assert gate is not None
        assert torch.equal(bias(cell, gate), torch.full((12,), value))
        rest = [k for k in range(cell.gates) if k != gate]
        assert all(torch.equal(bias(cell, k), bias(other, k)) for k in rest)
        assert torch.equal(cell.raw("weight_ih"), other.raw("weight_ih"))


@pytest.mark.parametrize(
    ("name", "gate"),
    [("lstm", 1), ("peephole", 1), ("projection", 1), ("slstm", 1), ("cifg", 0), ("gru", 1), ("minlstm", 1)],
)
def test_an_open_gate_keeps(name: CellName, gate: int) -> None:
    """The block that is said to keep does so: with its bias at 40, and writing shut, the memory stays what it was."""
    recipe = Stabilisation(forget_bias=40.0)
    cell = wide(name, recipe, width=6).cells[0]
    assert cell.keeps == gate
    with torch.no_grad():
        if cell.writes is not None:
            cell.raw("bias_ih").chunk(cell.gates)[cell.writes].fill_(-40.0)
    x = torch.randn(3, 5, 3)
    state = cell.initial(x)
    state = tuple(torch.rand_like(part) + 0.5 for part in state)
    _, last = eager([cell], x, state)
    before, after = (state[0], last[0]) if cell.states == 1 else (state[1], last[1])
    if name == "slstm":  # c and n are kept on the scale of exp(m)
        before, after = state[1] / state[2], last[1] / last[2]
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FORGETFUL)
def test_chrono(name: CellName) -> None:
    """Tallec & Ollivier 2018: b_f = log u with u uniform in [1, T - 1], b_i = -b_f, each layer by itself."""
    time = 101
    model = wide(name, Stabilisation(chrono=True), time, width=400)
    seen = []
    for cell in model.cells:
        kept = None if cell.keeps is None else bias(cell, cell.keeps)
        written = None if cell.writes is None else bias(cell, cell.writes)
        if kept is not None and written is not None:
            assert torch.equal(kept, -written)
        span = (kept if kept is not None else -written).exp()  # type: ignore[operator]
        assert float(span.min()) >= 1 - 1e-4
        assert float(span.max()) <= time - 1 + 1e-2
        assert float(span.mean()) == pytest.approx(time / 2, rel=0.15)
        assert float(span.median()) == pytest.approx(time / 2, rel=0.2)
        seen.append(span)
    assert not torch.equal(*seen)


def test_chrono_leaves_the_other_biases() -> None:
    """g and o of the LSTM begin as they do without it."""
    mine, plain = wide("lstm", Stabilisation(chrono=True)).cells[0], wide("lstm", Stabilisation()).cells[0]
    assert all(torch.equal(bias(mine, gate), bias(plain, gate)) for gate in (2, 3))
    assert not torch.equal(bias(mine, 1), bias(plain, 1))


def test_chrono_of_a_task_of_one_step() -> None:
    """Where there is nothing to remember the bias is log 1."""
    assert torch.equal(bias(wide("lstm", Stabilisation(chrono=True), time=1).cells[0], 1), torch.zeros(12))


def test_weight_norm_starts_as_the_same_function() -> None:
    """Every weight of the plain network is there, and so is its answer; so too from orthogonal matrices."""
    task = Labels()
    batch = next(task.train.ordered(8))
    for initial in ("uniform", "orthogonal"):
        plain = network(task, recipe=Stabilisation(initial=initial))
        normed = network(task, recipe=Stabilisation(initial=initial, weight_norm=True))
        other = normed.state_dict()
        assert all(torch.equal(value, other[key]) for key, value in plain.state_dict().items())
        torch.testing.assert_close(normed(batch)[0], plain(batch)[0])


def test_a_tied_matrix_begins_as_a_head() -> None:
    """Uniform in +-1 / sqrt(width); a free embedding is normal with deviation 1."""
    shape = Shape(500, 500, True, True, True, 8)
    tied, free = (Network(shape, Architecture(), Stabilisation(tied=tied), 25, seed=0) for tied in (True, False))
    assert tied.embed is not None
    assert free.embed is not None
    bound = 1 / math.sqrt(25)
    assert float(tied.embed.weight.detach().abs().max()) <= bound
    assert float(tied.embed.weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert float(free.embed.weight.detach().std()) == pytest.approx(1, rel=0.05)


def test_seeds_and_techniques_are_paired() -> None:
    """A recipe's initial values come from streams of their own: one seed gives them again, and shifts no others."""
    task = Symbols()
    recipe = Stabilisation(initial="orthogonal", chrono=True)
    first, again = network(task, recipe=recipe).state_dict(), network(task, recipe=recipe).state_dict()
    other, plain = network(task, recipe=recipe, seed=1).state_dict(), network(task).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in first.items())
    assert not any(torch.equal(first[key], other[key]) for key in first if "bias_hh" not in key)
    moved = {key.rpartition(".")[2] for key, value in plain.items() if not torch.equal(value, first[key])}
    assert moved == {"weight_hh_l0", "bias_ih_l0", "bias_hh_l0"}
