"""The contract's checks: ours keep it, a fit plug-in keeps it, and each check sees the fault it is there for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from plugged import EXAMPLE, importable
from torch import Tensor
from toys import Labels, Symbols

from bench import contract
from bench.axes import OPTIMIZERS, STABILISATIONS
from bench.cells import CELLS, GRU, Cell, Now, State
from bench.cli import BAD_INPUT, FAILED, OK
from bench.contracts import Broken, cells, choices, rules
from bench.contracts import tasks as of_tasks
from bench.optimizers import RULES
from bench.spec import Optimizer
from bench.technique import TECHNIQUES, Technique
from tasks.base import Batch, Sequences


@pytest.mark.parametrize("check", cells.CHECKS)
@pytest.mark.parametrize("name", list(CELLS))
def test_our_cells_keep_it(name: str, check: Callable[[type[Cell]], str | None]) -> None:
    """Every cell of the table."""
    check(CELLS[name])


@pytest.mark.parametrize("check", rules.CHECKS)
@pytest.mark.parametrize("name", [name for name, value in OPTIMIZERS.items() if value.schedule == "constant"])
def test_our_rules_keep_it(name: str, check: Callable[[Optimizer], str | None]) -> None:
    """Every rule of the table."""
    check(OPTIMIZERS[name])


def test_a_fit_plugin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example of docs/plugins.md keeps all of it: a line a fact, and how many, exit code 0."""
    with importable(tmp_path, mine=EXAMPLE):
        assert contract.main(["mine"]) == OK
    *lines, last = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {"ok"}
    assert last == f"{len(lines)} ok, 0 FAILED, 0 not asked"
    subjects = {re.sub(r"^ok +([^:]*):.*", r"\1", line) for line in lines}
    assert subjects == {
        "task series/walk", "cell ugrnn", "architecture ugrnn", "stabilisation centred", "optimizer signs",
    }  # fmt: skip


UNFIT = """
print("noise")
from bench.spec import Stabilisation
from bench.technique import Technique
from tasks import Card
from tasks.data import MissingData

class Idle(Technique):
    pass

def broken(card, data):
    raise ValueError("of /some/where")

def absent(card, data):
    raise MissingData("not here")

TECHNIQUES = {"idle": Idle}
STABILISATIONS = {"idle": Stabilisation(own="idle")}
TASKS = [(Card("series/broken", "s", "mse", "lower", "", "r"), broken),
         (Card("series/absent", "s", "mse", "lower", "", "r"), absent)]
"""


def test_an_unfit_plugin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it does not keep, and why; the other checks go on; exit code 1."""
    with importable(tmp_path, unfit=UNFIT):
        assert contract.main(["unfit"]) == FAILED
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "FAILED     task series/broken: it loads: ValueError: of /some/where",
        "not asked  task series/absent: it loads: not here",
        "FAILED     stabilisation idle: it changes the run, and leaves every other run alone: "
        "the run ends in the weights of lstm/none/adam: it does nothing",
        "ok         stabilisation idle: the same spec gives the same run",
        "FAILED     stabilisation idle: a sentence says what it is: METHODS['stabilisation'] has no sentence for it",
        "1 ok, 3 FAILED, 1 not asked",
    ]


def test_a_plugin_that_does_not_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that is faulty is a check that failed, one that is not there is bad input."""
    with importable(tmp_path, unloadable="import nowhere_at_all"):
        assert contract.main(["unloadable"]) == FAILED
        assert capsys.readouterr().out.startswith("FAILED     unloadable: it loads: ModuleNotFoundError")
        assert contract.main(["nowhere_at_all"]) == BAD_INPUT


class NoChange(GRU):
    """Inherits the kernel of the GRU, whose equations are not its own."""

    def step(self, z: Tensor, state: State, now: Now) -> State:
        return ((2 * super().step(z, state, now)[0]),)


class Mixed(GRU):
    """Its rows see each other."""

    kernel, exact = None, ()

    def step(self, z: Tensor, state: State, now: Now) -> State:
        (h,) = super().step(z, state, now)
        return (h - h.mean(0, keepdim=True),)


class Cut(GRU):
    """Lets no gradient through."""

    kernel, exact = None, ()

    def step(self, z: Tensor, state: State, now: Now) -> State:
        (h,) = super().step(z, state, now)
        return (h + h.detach().square(),)


class Deaf(GRU):
    """Does not read its input."""

    kernel, exact = None, ()

    def step(self, z: Tensor, state: State, now: Now) -> State:
        return super().step(torch.zeros_like(z), state, now)


class Several(GRU):
    """Says it has two states, and gives one."""

    states = 2

    def step(self, z: Tensor, state: State, now: Now) -> State:
        return super().step(z, state[:1], now)


class Fragile(GRU):
    """Divides by what ReLU makes zero."""

    kernel, exact = None, ()

    def step(self, z: Tensor, state: State, now: Now) -> State:
        (h,) = super().step(z, state, now)
        return (h / self.act(-torch.ones_like(h)),)


@pytest.mark.parametrize(
    ("kind", "check", "said"),
    [
        (NoChange, cells.back_end, "and step differ; a cell with a step of its own says kernel = None"),
        (Mixed, cells.rows, "a sequence alone gives something else"),
        (Cut, cells.gradients, "Jacobian mismatch|Numerical gradient"),
        (Deaf, cells.learns, "no gradient reaches weights.weight_ih_l0"),
        (Several, cells.shapes, "expected 2 of sizes"),
        (Fragile, cells.recipes, "not finite with ReLU"),
    ],
)
def test_faults_of_cells_are_seen(kind: type[Cell], check: Callable[[type[Cell]], str | None], said: str) -> None:
    """One wrong cell for each check."""
    with pytest.raises((Broken, RuntimeError), match=said):
        check(kind)


class Wrong(torch.optim.Optimizer):
    """Climbs, draws its step, or remembers outside its state."""

    def __init__(self, weights: list[Any], how: str) -> None:
        super().__init__(weights, {"lr": 0.1})
        self.how, self.count = how, 0

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        self.count += 1
        factor = {"climbs": -0.1, "draws": float(torch.rand(())), "counts": 1 / self.count}[self.how]
        for weight in self.param_groups[0]["params"]:
            weight.sub_(weight.grad, alpha=factor)


@pytest.mark.parametrize(
    ("how", "check", "said"),
    [
        ("climbs", rules.descends, "30 steps on a quadratic move it from"),
        ("draws", rules.repeats, "two equal runs end in different bits"),
        ("counts", rules.resumes, "keep all there is to remember in self.state"),
    ],
)
def test_faults_of_rules_are_seen(
    how: str, check: Callable[[Optimizer], str | None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One wrong rule for each check."""
    monkeypatch.setitem(RULES, "wrong", lambda weights, settings: Wrong(weights, how))
    with pytest.raises(Broken, match=said):
        check(Optimizer("wrong", lr=0.1))


class Leaking(Technique):
    """Draws from a generator that no seed sets."""

    generator = torch.Generator()

    def after(self, model: Any, step: int) -> None:
        with torch.no_grad():
            model.head.bias += torch.rand((), generator=self.generator)


def test_a_choice_that_no_seed_sets_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same spec has to give the same run."""
    monkeypatch.setitem(TECHNIQUES, "leaking", Leaking)
    monkeypatch.setitem(STABILISATIONS, "leaking", replace(STABILISATIONS["none"], own="leaking"))
    with pytest.raises(Broken, match="two runs of one spec end in different weights"):
        choices.repeats("stabilisation", "leaking")


@pytest.mark.parametrize("task", [Labels(), Symbols()], ids=["labels", "symbols"])
@pytest.mark.parametrize("check", [check for check in of_tasks.CHECKS if check is not of_tasks.splits])
def test_toys_keep_it(task: Labels | Symbols, check: Callable[[Any], str | None]) -> None:
    """The tasks of our tests do, but for symbols that repeat."""
    check(task)


def _labels(**changes: object) -> Labels:
    task = Labels()
    for name, value in changes.items():
        setattr(task, name, value)
    return task


class Alone(Sequences):
    """A split whose batches have one sequence each."""

    def shuffled(self, size: int, generator: torch.Generator) -> Any:
        return super().shuffled(1, generator)


def _unlike(out: Tensor, batch: Batch) -> Tensor:
    return 2 * Labels().loss(out, batch)


@pytest.mark.parametrize(
    ("task", "check", "said"),
    [
        (_labels(card=replace(Labels.card, reference="")), of_tasks.card, "no reference"),
        (_labels(inputs=4), of_tasks.shapes, "a frame has 3 features, inputs is 4"),
        (_labels(time=5), of_tasks.shapes, "and time is 5"),
        (_labels(loss=_unlike), of_tasks.loss_and_tally, r"loss\(\) gives"),
        (_labels(card=replace(Labels.card, metric="wer")), of_tasks.loss_and_tally, "without wer"),
        (_labels(card=replace(Labels.card, better="lower")), of_tasks.perfect, "accuracy of the true answer is 100"),
        (_labels(valid=Labels().train), of_tasks.splits, "sequences stand in two splits"),
        (_labels(train=Alone(**vars(Labels().train))), of_tasks.batches, "not of the size asked for"),
        (_labels(naive=lambda: {"none": float("nan")}), of_tasks.naive, "not all finite"),
        (_labels(naive=dict), of_tasks.naive, "names no answer"),
    ],
)
def test_faults_of_tasks_are_seen(task: Labels, check: Callable[[Any], str | None], said: str) -> None:
    """One wrong task for each check."""
    with pytest.raises(Broken, match=said):
        check(task)


def test_two_loads_that_differ_are_seen() -> None:
    """Data come from a fixed seed."""
    of_tasks.same_data(Labels(), Labels())
    with pytest.raises(Broken, match="two fingerprints"):
        of_tasks.same_data(Labels(), Labels(count=47))
