"""How long a matrix will take: a short run of each kind of configuration, measured before the start."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from bench.execute import pool
from bench.spec import RunSpec

STEPS = 5
"""Updates of a probe: enough to see a step of tens of milliseconds, few enough to be done before anybody looks away."""


def kind(spec: RunSpec) -> tuple[object, ...]:
    """Configurations of one kind cost about the same."""
    recipe, architecture = spec.stabilisation, spec.architecture
    return (
        spec.names.task, spec.device, spec.backend, spec.budget, architecture, spec.optimizer.rule,
        recipe.activation != "tanh", recipe.batch_norm, recipe.layer_norm, recipe.weight_norm, recipe.bptt is not None,
        recipe.agc is not None, recipe.ema is not None, bool(recipe.weight_noise), recipe.tied,
    )  # fmt: skip


def cost(spec: RunSpec, data: Path | None) -> float | None:
    """Seconds that a whole run would take here; None where it cannot run.

    A run of one update holds everything that happens once: start, probes, guards, the whole test split, two points of
    the curve. Updates and the other points come on top, each measured by itself.
    """
    from bench.clock import now
    from bench.core import NoBackend
    from bench.optimizers import NoPackage
    from bench.run import loaded, network, run_one
    from bench.timing import stepper
    from bench.train import evaluate
    from tasks.data import DamagedData, MissingData

    try:
        task, _ = loaded(spec.names.task, data)
        step, _, _ = stepper(spec, data)
    except (MissingData, DamagedData, NoBackend, NoPackage):
        return None
    once = replace(spec, budget=replace(spec.budget, steps=1, evaluate=1))
    run_one(once, data)  # the first one loads, checks and warms up
    begin = now(spec.device)
    run_one(once, data)
    whole = now(spec.device) - begin
    step()
    update = sum(step() for _ in range(STEPS)) / STEPS
    model, budget = network(spec, task), spec.budget
    begin = now(spec.device)
    for split in (task.train, task.valid, task.test):
        evaluate(model, task, split, budget.curve)
    point = now(spec.device) - begin
    points = -(-budget.steps // budget.evaluate) + 1
    return whole + update * (budget.steps - 1) + point * max(points - 2, 0)


def forecast(specs: Iterable[RunSpec], data: Path | None, workers: int) -> float:
    """Seconds for these runs on `workers` processes, from one probe of each kind, as many at a time as there are."""
    counts: dict[tuple[object, ...], list[RunSpec]] = {}
    for spec in specs:
        counts.setdefault(kind(spec), []).append(spec)
    with pool(workers) as workshop:
        probes: list[tuple[Future[float | None], int]] = [
            (workshop.schedule(cost, args=[group[0], data]), len(group)) for group in counts.values()
        ]
        total = sum((future.result() or 0.0) * count for future, count in probes)
    return total / max(workers, 1)
