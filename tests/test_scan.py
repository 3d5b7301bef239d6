"""What every back end keeps to, whatever it computes: memory layout, gradient modes, threads, padding, failures."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from layers import NOISES, NORMS, ON_CPU, Case, agree, outcome, ready

from bench.cells import Peephole
from bench.cells.base import ACTIVATIONS
from bench.core import NoBackend, choose, scan
from bench.spec import Stabilisation

backends = pytest.mark.parametrize("backend", ON_CPU)
kernels = pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
norms = pytest.mark.parametrize("norm", list(NORMS))


@backends
@kernels
def test_any_memory_layout(backend: str, name: Any) -> None:
    """An x that is a view, batch first and every second feature of something, gives what its copy gives."""
    case = Case(name)
    ready(backend, case.cells())
    x = case.x()
    view = torch.stack([x, x + 1], 3).flatten(2).transpose(0, 1).contiguous().transpose(0, 1)[:, :, ::2]
    assert not view.is_contiguous()
    agree(outcome(backend, case, x=view), outcome(backend, case))


@backends
@kernels
@norms
def test_without_gradients(backend: str, name: Any, norm: str) -> None:
    """no_grad and inference_mode give the same numbers as training does."""
    case = Case(name, NORMS[norm] + NOISES["noisy"], 2)
    ready(backend, case.cells())
    results = []
    for mode in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        torch.manual_seed(0)
        cells = case.cells()
        with mode():
            results.append(scan(cells, case.x(), case.state(), None, backend))
    for y, last in results[1:]:
        assert torch.equal(y, results[0][0])
        assert all(map(torch.equal, last, results[0][1]))


@backends
@kernels
def test_backward_twice(backend: str, name: Any) -> None:
    """With the graph retained, a second backward gives the same gradients: nothing that it reads is written over."""
    case = Case(name, NORMS["layer"] + NOISES["noisy"], 2)
    cells, x = case.cells(), case.x().requires_grad_()
    ready(backend, cells)
    loss = scan(cells, x, case.state(), None, backend)[0].square().sum()
    asked = [x, *(weight for cell in cells for weight in cell.parameters())]
    first = torch.autograd.grad(loss, asked, retain_graph=True)
    assert all(map(torch.equal, first, torch.autograd.grad(loss, asked)))


@backends
@kernels
def test_double_backward_is_refused(backend: str, name: Any) -> None:
    """A gradient of a gradient is refused in words, not computed wrongly."""
    case = Case(name)
    cells, x = case.cells(), case.x().requires_grad_()
    ready(backend, cells)
    y = scan(cells, x, case.state(), None, backend)[0]
    (gradient,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        gradient.sum().backward()


@backends
@pytest.mark.parametrize("name", ["rnn", "lstm", "peephole", "gru"])
@norms
def test_threads_change_nothing(backend: str, name: Any, norm: str) -> None:
    """One thread and two give the same bits."""
    case = Case(name, NORMS[norm] + NOISES["noisy"], 2, ragged=True, shape=(8, 32, 48))
    ready(backend, case.cells())
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        results.append(outcome(backend, case))
    different = [key for key, value in results[0].items() if not torch.equal(value, results[1][key])]
    assert different == []


@pytest.mark.parametrize("backend", [*ON_CPU, "fused", "eager"])
@pytest.mark.parametrize("name", ["rnn", "lstm", "peephole", "gru"])
def test_a_carried_state(backend: str, name: Any) -> None:
    """Two halves with the state handed over are the whole, and gradients travel from the second to the first."""
    case = Case(name, shape=(10, 5, 7))
    cells, x = case.cells(), case.x().requires_grad_()
    ready(backend, cells)
    whole, last = scan(cells, x, case.state(), None, backend)
    first, between = scan(cells, x[:6], case.state(), None, backend)
    second, end = scan(cells, x[6:], between, None, backend)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    torch.testing.assert_close(end, last)
    in_one, in_two = (torch.autograd.grad(y[-1].square().sum(), x)[0] for y in (whole, second))
    torch.testing.assert_close(in_two, in_one)
    assert float(in_two[0].abs().max()) > 0


@backends
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_nan_reaches_the_output(backend: str, name: Any, activation: Any) -> None:
    """A NaN in one sequence is in all of its states from there on, and in no other sequence's."""
    case = Case(name, Stabilisation(activation=activation))
    cells, x = case.cells(), case.x()
    ready(backend, cells)
    x[2, 1, 0] = torch.nan
    lost = scan(cells, x, case.state(), None, backend)[0].isnan()
    assert lost[2:, 1].all()
    assert not lost[:2].any()
    assert not lost[:, torch.arange(x.shape[1]) != 1].any()


@backends
@pytest.mark.parametrize("name", ["rnn", "lstm", "peephole", "gru"])
@norms
def test_padding_is_never_read(backend: str, name: Any, norm: str) -> None:
    """Other numbers in the padding change nothing that stands before an end, nor any gradient; theirs is zero."""
    case = Case(name, NORMS[norm] + NOISES["noisy"], 2, ragged=True)
    ready(backend, case.cells())
    x, padding = case.x(), torch.arange(case.shape[0]).unsqueeze(1) >= case.lengths()
    other = torch.where(padding.unsqueeze(2), 99.0, x)
    mine = outcome(backend, case)
    agree(outcome(backend, case, x=other), mine)
    assert float(mine["gradient of x"][padding].abs().max()) == 0


@backends
def test_a_state_that_gets_no_gradient(backend: str) -> None:
    """Where only weights want gradients, they are those of a pass in which x and the states want some too."""
    case = Case()
    cells = case.cells()
    ready(backend, cells)
    scan(cells, case.x(), case.state(), None, backend)[0].sum().backward()
    x, state = case.x().requires_grad_(), tuple(part.requires_grad_() for part in case.state())
    others = case.cells()
    scan(others, x, state, None, backend)[0].sum().backward()
    for mine, theirs in zip(cells[0].parameters(), others[0].parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_an_unknown_back_end_is_refused() -> None:
    """The error says what was asked for and what there is."""
    with pytest.raises(NoBackend, match=r"unknown back end 'fm'.*fn"):
        choose(Case().cells(), torch.device("cpu"), "fm")  # type: ignore[arg-type]


def test_auto_takes_the_first_that_can() -> None:
    """What stands in the way of a back end is said where it is asked for by name, and passed over under auto."""
    cells = Case(recipe=Stabilisation(activation="relu")).cells()
    with pytest.raises(NoBackend, match="fused.*try auto"):
        choose(cells, torch.device("cpu"), "fused")
    assert choose(cells, torch.device("cpu")) in ("cpp", "fn")
    assert choose(cells, torch.device("meta")) == "fn"


def test_a_cell_without_a_loop_of_its_own_runs_eagerly() -> None:
    """A new cell needs its equations alone: auto runs them as they stand, and asking for a loop is refused in words."""

    class New(Peephole):
        kernel = None

    cells, x = [New(3, 4)], torch.randn(5, 2, 3)
    assert choose(cells, x.device) == "eager"
    assert torch.equal(scan(cells, x)[0], scan(cells, x, None, None, "eager")[0])
    for name in ("cpp", "fn"):
        with pytest.raises(NoBackend, match="has no loop for New; try auto"):
            scan(cells, x, None, None, name)  # type: ignore[arg-type]
