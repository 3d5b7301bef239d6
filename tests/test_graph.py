"""The back end of CUDA graphs, on a stand-in that has their memory: one set of places, written over each pass."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from layers import NOISES, NORMS, Case, agree, outcome
from torch import Tensor

from bench import core
from bench.cells import CELLS, Cell
from bench.core import graph
from bench.core.recurrence import prepare
from bench.spec import CellName


class Captured:
    """A function run on tensors of its own, with results in tensors of its own, as torch.cuda leaves them."""

    def __init__(self, function: Callable[..., tuple[Tensor, ...]], places: tuple[Tensor, ...]) -> None:
        self.function, self.places = function, places
        self.results = [out.detach().clone() for out in function(*places)]
        self.gradients = [torch.zeros_like(place) for place in places]
        self.passes = 0

    def __call__(self, *given: Tensor) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = Replay.apply(self, *given)
        return found


class Replay(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, captured: Captured, *given: Tensor) -> tuple[Tensor, ...]:
        ctx.captured = captured
        captured.passes += 1
        for place, tensor in zip(captured.places, given, strict=True):
            assert (place.shape, place.dtype) == (tensor.shape, tensor.dtype)
            place.copy_(tensor)
        with torch.enable_grad():
            captured.latest = captured.function(*captured.places)
        for result, out in zip(captured.results, captured.latest, strict=True):
            result.copy_(out.detach())
        return tuple(result.detach() for result in captured.results)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        captured = ctx.captured
        wanted = [place for place in captured.places if place.requires_grad]
        found = iter(torch.autograd.grad(captured.latest, wanted, gradients, allow_unused=True))
        back: list[Tensor | None] = [None]
        for place, kept in zip(captured.places, captured.gradients, strict=True):
            gradient = next(found) if place.requires_grad else None
            back.append(None if gradient is None else kept.copy_(gradient).detach())
        return tuple(back)


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[Captured]:
    """Every capture that is made."""
    made: list[Captured] = []

    def make(function: Any, places: tuple[Tensor, ...], allow_unused_input: bool) -> Captured:
        assert allow_unused_input
        made.append(Captured(function, places))
        return made[-1]

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", make)
    return made


@pytest.fixture(autouse=True)
def _graph_in_the_place_of_fn(monkeypatch: pytest.MonkeyPatch) -> None:
    """`scan` on the CPU refuses graphs; what it hands to fn goes to them here, for the cell that reads it."""
    owners: list[Cell] = []

    def prepared(cells: Any, *rest: Any) -> Any:
        owners[:] = cells[:1]
        return prepare(cells, *rest)

    monkeypatch.setattr(core, "prepare", prepared)
    monkeypatch.setitem(core.LOOPS, "fn", lambda recurrence: graph.loop(recurrence, owners.pop()))


def forward(cells: list[Cell], x: Tensor) -> Tensor:
    torch.manual_seed(0)
    return core.scan(cells, x, None, None, "fn")[0]


def weights(cells: list[Cell]) -> list[Tensor]:
    return [weight for cell in cells for weight in cell.parameters()]


@pytest.mark.parametrize("name", [name for name, cell in CELLS.items() if cell.kernel is not None])
@pytest.mark.parametrize("norm", ["none", "input", "layer"])
@pytest.mark.parametrize("noise", list(NOISES))
def test_replays_agree_with_eager(captures: list[Captured], name: CellName, norm: str, noise: str) -> None:
    """Pass after pass, with other inputs and other masks, one capture gives what eager gives."""
    for ragged in (False, True):
        captures.clear()
        case = Case(name, NORMS[norm] + NOISES[noise], 2, ragged)
        cells, twins = case.cells(), case.cells()
        for scale in (1, 2, -1):
            x = scale * case.x()
            agree(outcome("fn", case, cells, x), outcome("eager", case, twins, x))
        assert [captured.passes for captured in captures] == [3]


def test_evaluation_agrees_with_eager(captures: list[Captured]) -> None:
    """Without training, zoneout is a number that the capture holds fast."""
    case = Case("lstm", NORMS["layer"] + NOISES["noisy"], 2, True, training=False)
    agree(outcome("fn", case), outcome("eager", case))
    assert len(captures) == 1


def test_one_capture_a_shape(captures: list[Captured]) -> None:
    """Another batch size, another length, no gradients: each is captured once, and used from then on."""
    cells, x = Case().cells(), Case().x()
    for _ in range(2):
        for given in (x, x[:, :5], x[:4]):
            forward(cells, given).sum().backward()
        with torch.no_grad():
            forward(cells, x)
        with torch.inference_mode():
            forward(cells, x)
    assert [captured.passes for captured in captures] == [2, 2, 2, 4]
    assert [any(place.requires_grad for place in captured.places) for captured in captures] == [True, True, True, False]


def test_captures_are_bounded(captures: list[Captured]) -> None:
    """When a layer has all the captures that it may keep, other shapes run uncaptured, and known ones captured."""
    cells, x = Case().cells(), Case(shape=(40, 3, 13)).x()
    for time in range(1, graph.CAPTURES + 4):
        torch.testing.assert_close(forward(cells, x[:time]), core.eager(cells, x[:time])[0])
    assert len(captures) == graph.CAPTURES
    forward(cells, x[:1])
    assert [captured.passes for captured in captures] == [2] + [1] * (graph.CAPTURES - 1)


def test_each_layer_has_captures_of_its_own(captures: list[Captured]) -> None:
    """Two layers of one shape never share memory, and what a layer captured goes with it."""
    layers = [Case(shape=(6, 17, 3)).cells() for _ in range(2)]
    x = Case().x()
    forward(layers[1], forward(layers[0], x)).sum().backward()
    assert len(captures) == 2
    kept = weakref.ref(captures.pop())
    del layers[1]
    gc.collect()
    assert kept() is None


def test_what_came_out_stays_as_it_was(captures: list[Captured]) -> None:
    """A later pass changes neither the outputs of an earlier one nor its gradients, which add up."""
    cells, x = Case().cells(), Case().x()
    first = forward(cells, x)
    first.square().sum().backward()
    once, outputs = [weight.grad.clone() for weight in weights(cells)], first.detach().clone()
    second = forward(cells, 2 * x)
    second.square().sum().backward()
    assert torch.equal(first, outputs)
    assert [captured.passes for captured in captures] == [2]
    added = torch.autograd.grad(core.eager(cells, 2 * x)[0].square().sum(), weights(cells))
    for weight, one, other in zip(weights(cells), once, added, strict=True):
        torch.testing.assert_close(weight.grad, one + other)


def test_a_pass_that_waits_is_not_written_over(captures: list[Captured]) -> None:
    """While one pass has its backward before it, the next one of the same layer runs uncaptured: both are right."""
    cells, x = Case().cells(), Case().x()
    first, second = forward(cells, x), forward(cells, 2 * x)
    assert [captured.passes for captured in captures] == [1]
    for y, given in ((first, x), (second, 2 * x)):
        mine = torch.autograd.grad(y.square().sum(), weights(cells))
        theirs = torch.autograd.grad(core.eager(cells, given)[0].square().sum(), weights(cells))
        for one, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(one, other)
    forward(cells, x)
    assert [captured.passes for captured in captures] == [2]


def test_a_pass_that_is_given_up_frees_its_capture(captures: list[Captured]) -> None:
    """A pass whose outputs are gone waits for nothing."""
    cells, x = Case().cells(), Case().x()
    y = forward(cells, x)
    del y
    gc.collect()
    forward(cells, x)
    assert [captured.passes for captured in captures] == [2]


def test_a_second_backward_is_refused(captures: list[Captured]) -> None:
    """The graph's memory is written over on the way back: a second one says so, and is not computed wrongly."""
    y = forward(Case().cells(), Case().x())
    y.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="goes back once"):
        y.sum().backward()
    assert captures


def test_obstacles_are_said_in_words() -> None:
    """The CPU has no graphs, and recurrent batch normalisation cannot be captured."""
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert graph.obstacle(Case().cells(), cpu) == "runs on CUDA only"
    assert "batch normalisation" in str(graph.obstacle(Case(recipe=NORMS["recurrent"]).cells(), cuda))
    for norm in ("none", "input", "layer"):
        assert graph.obstacle(Case(recipe=NORMS[norm]).cells(), cuda) is None
