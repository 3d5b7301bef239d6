"""How long a matrix will take: a few steps of each kind of configuration, measured before the start."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path

from bench.execute import pool
from bench.spec import RunSpec

STEPS = 3


def kind(spec: RunSpec) -> tuple[object, ...]:
    """Configurations of one kind cost about the same a step."""
    recipe, architecture = spec.stabilisation, spec.architecture
    return (
        spec.names.task, spec.device, architecture.depth, architecture.bidirectional, architecture.attention,
        recipe.activation != "tanh", recipe.batch_norm,
    )  # fmt: skip


def cost(spec: RunSpec, data: Path | None) -> float | None:
    """Seconds that a whole run would take here, from STEPS updates and one evaluation; None where it cannot run."""
    from bench.clock import now
    from bench.core import NoBackend
    from bench.run import loaded, network
    from bench.timing import stepper
    from bench.train import evaluate
    from tasks.data import DamagedData, MissingData

    try:
        task, _ = loaded(spec.names.task, data)
        step, _, _ = stepper(spec, data)
    except (MissingData, DamagedData, NoBackend):
        return None
    step()
    update = sum(step() for _ in range(STEPS)) / STEPS
    model, budget = network(spec, task), spec.budget
    begin = now(spec.device)
    evaluate(model, task, task.valid, budget.curve)
    share = (now(spec.device) - begin) / min(budget.curve, len(task.valid))  # seconds a sequence
    points = budget.steps // budget.evaluate + 1
    curves = points * sum(min(budget.curve, len(split)) for split in (task.train, task.valid, task.test))
    return update * budget.steps + share * (curves + len(task.valid) + len(task.test))


def forecast(specs: Iterable[RunSpec], data: Path | None, workers: int) -> float:
    """Seconds for these runs on `workers` processes, from one probe of each kind."""
    counts: dict[tuple[object, ...], list[RunSpec]] = {}
    for spec in specs:
        counts.setdefault(kind(spec), []).append(spec)
    with pool(workers) as workshop:
        probes: list[tuple[Future[float | None], int]] = [
            (workshop.schedule(cost, args=[group[0], data]), len(group)) for group in counts.values()
        ]
        total = sum((future.result() or 0.0) * count for future, count in probes)
    return total / max(workers, 1)
