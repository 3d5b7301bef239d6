"""Which runs: a matrix and the filters on it -> specs, and the reasons of those that make no sense. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_args

from bench.axes import ARCHITECTURES, OPTIMIZERS, STABILISATIONS, stabilisation
from bench.names import unknown
from bench.sense import nonsense
from bench.spec import Backend, Budget, Isa, Matrix, Names, RunSpec
from tasks.cards import TASKS, matching
from tasks.own import Mistakes

DEVICES = ("cpu", "cuda")

ONLY: dict[Backend, str] = {"cpp": "cpu", "triton": "cuda", "graph": "cuda"}
"""Back ends that run on one kind of device alone; the others run on both."""


class BadInput(Mistakes):
    """One or more mistakes in what a command was asked for, each a line: nothing runs."""


@dataclass(frozen=True)
class Filters:
    """What to keep of a matrix; an empty tuple keeps everything. Seeds replace the matrix's own."""

    task: tuple[str, ...] = ()
    architecture: tuple[str, ...] = ()
    stabilisation: tuple[str, ...] = ()
    optimizer: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()

    def keeps(self, names: Names) -> bool:
        return (not self.task or any(matching(pattern, [names.task]) for pattern in self.task)) and all(
            not wanted or getattr(names, axis) in wanted
            for axis, wanted in (
                ("architecture", self.architecture),
                ("stabilisation", self.stabilisation),
                ("optimizer", self.optimizer),
            )
        )

    def without(self, axis: str) -> Filters:
        return Filters(**{f.name: () if f.name == axis else getattr(self, f.name) for f in fields(self)})

    def __str__(self) -> str:
        return " ".join(f"--{f.name} {value}" for f in fields(self) for value in getattr(self, f.name))


@dataclass
class Plan:
    """The runs to make, in order, and those that would make no sense, with the reason."""

    runs: list[RunSpec] = field(default_factory=list)
    skipped: list[tuple[RunSpec, str]] = field(default_factory=list)
    tuning: dict[str, dict[str, Any]] = field(default_factory=dict)  # run id -> how its values were chosen (bench.tune)


def budget(matrix: Matrix, task: str) -> Budget | None:
    """The budget of a task: under its own name, or under the name it stands below (`series/etth1` for `/24`)."""
    while task:
        if task in matrix.budgets:
            return matrix.budgets[task]
        task = task.rpartition("/")[0]
    return None


def check(matrix: Matrix, filters: Filters = Filters()) -> None:
    """Raise BadInput with every unknown name, value out of range and empty filter at once."""
    known: dict[str, dict[str, Any]] = {
        "architecture": {**ARCHITECTURES, **matrix.architectures},
        "stabilisation": {**STABILISATIONS, **matrix.stabilisations},
        "optimizer": {**OPTIMIZERS, **matrix.optimizers},
    }
    mistakes = []
    for axis, table in known.items():
        own = getattr(matrix, f"{axis}s")
        mistakes += [f"{axis} {name!r}: {problem}" for name, value in own.items() for problem in value.problems()]
        asked = [name for block in matrix.blocks for name in getattr(block, f"{axis}s")] + list(getattr(filters, axis))
        for name in dict.fromkeys(asked):
            parts = name.split("+") if axis == "stabilisation" else [name]
            strange = [part for part in parts if part not in table]
            mistakes += [unknown(axis, part, table) for part in strange]
            if axis == "stabilisation" and not strange and len(parts) > 1:
                try:
                    stabilisation(name, table)
                except ValueError as error:
                    mistakes.append(f"stabilisation {name!r}: its parts {error}")
    for pattern in filters.task:
        if not matching(pattern):
            mistakes.append(unknown("task", pattern, TASKS))
    for task in dict.fromkeys(task for block in matrix.blocks for task in block.tasks):
        if task not in TASKS:
            mistakes.append(unknown("task", task, TASKS))
        elif budget(matrix, task) is None:
            mistakes.append(f"matrix {matrix.name!r} has no budget for task {task!r}")
    for task, value in matrix.budgets.items():
        mistakes += [f"budget of {task!r}: {problem}" for problem in value.problems()]
    for seed in (*matrix.seeds, *filters.seeds):
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
            mistakes.append(f"a seed must be a whole number in [0, 2147483647], got {seed!r}")
    if matrix.backend not in get_args(Backend):
        mistakes.append(unknown("back end", matrix.backend, get_args(Backend)))
    if matrix.isa not in get_args(Isa):
        mistakes.append(unknown("instruction set", matrix.isa, get_args(Isa)))
    if not matrix.seeds:
        mistakes.append(f"matrix {matrix.name!r} has no seeds")
    if not mistakes and not any(map(filters.keeps, matrix.rows())):
        mistakes.append(_empty(matrix, filters))
    if mistakes:
        raise BadInput(mistakes)


def _empty(matrix: Matrix, filters: Filters) -> str:
    """Words for a filter that keeps nothing, naming the nearest that keeps something."""
    rows = matrix.rows()
    found = f"the filter {filters} keeps none of the {len(rows)} configurations of matrix {matrix.name!r}"
    nearest = []
    for axis in ("task", "architecture", "stabilisation", "optimizer"):
        wider = filters.without(axis)
        kept = [names for names in rows if wider.keeps(names)]
        if getattr(filters, axis) and kept:
            there = ", ".join(dict.fromkeys(getattr(names, axis) for names in kept))
            nearest.append(f"nearest: {wider} --{axis} with one of {there} ({len(kept)} configurations)")
    return "; ".join(
        [found, *(nearest or ["drop one of the filters, or write a matrix of your own (--matrix FILE.toml)"])]
    )


def plan(matrix: Matrix, filters: Filters, devices: Sequence[str]) -> Plan:
    """The specs of a checked matrix: task by task (a worker keeps its task), the slow configurations first."""
    architectures = {**ARCHITECTURES, **matrix.architectures}
    recipes = {**STABILISATIONS, **matrix.stabilisations}
    rules = {**OPTIMIZERS, **matrix.optimizers}
    found = Plan()
    for names in filter(filters.keeps, matrix.rows()):
        card, size = TASKS[names.task], budget(matrix, names.task)
        assert size is not None  # check() has seen to it
        rule = rules[names.optimizer]
        for device in devices:
            for seed in filters.seeds or matrix.seeds:
                spec = RunSpec(
                    names,
                    card.version,
                    architectures[names.architecture],
                    stabilisation(names.stabilisation, recipes),
                    replace(rule, lr=rule.lr * size.rate),
                    size,
                    device,
                    seed,
                    matrix.backend,
                    isa=matrix.isa,
                )
                if (why := nonsense(spec.architecture, spec.stabilisation, card)) is not None:
                    found.skipped.append((spec, why))
                else:
                    found.runs.append(spec)
    order = list(TASKS)
    found.runs.sort(key=lambda spec: (order.index(spec.names.task), -slowness(spec)))
    return found


def slowness(spec: RunSpec) -> int:
    """A rough order of cost, so that no long run is left for the end."""
    recipe, architecture = spec.stabilisation, spec.architecture
    loops = recipe.activation != "tanh" or recipe.batch_norm is not None
    return 4 * (recipe.batch_norm == "recurrent") + 3 * loops + architecture.depth + 2 * architecture.bidirectional
