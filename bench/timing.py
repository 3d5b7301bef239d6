"""Seconds of one training step, taken alone on the machine: python -m bench.timing.

Each distinct configuration is paired with the same network built on `nn.LSTM` alone (no stabilisation, Adam), same
depth, width and directions, in one process. Both take the same steps on the same batches in turn, the order within a
pair drawn at random, so that a neighbour's load falls on both. Evaluation, data and the first steps are outside the
clock. docs/protocol.md says why each of these.
"""

from __future__ import annotations

import argparse
import functools
import os
import random
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.record import Busy, Store, TimeRecord
from bench.spec import RunSpec, digest

WARM_UP = 2
"""Steps before the clock starts: allocation, oneDNN's and cuDNN's choice of kernels."""

STILL = 1e-12
"""The learning rate of a timed step: the arithmetic is the same, and a recipe that would diverge can be timed too."""

NOISY_CONTROL, NOISY_RATIOS = 0.02, 0.03


def stepper(spec: RunSpec, data: Path | None, width: int | None = None) -> tuple[Callable[[], float], str, int]:
    """A function that makes one training step and returns its seconds, the back end, and the width."""
    from bench.clock import Stopwatch
    from bench.network import Network, Shape, solve_width
    from bench.optimizers import build
    from bench.rng import stream
    from bench.run import loaded
    from bench.train import update

    task, _ = loaded(spec.names.task, data)
    shape = Shape.of(task)
    width = width or solve_width(shape, spec.architecture, spec.budget.parameters)
    model = Network(shape, spec.architecture, spec.stabilisation, width, spec.seed).to(spec.device).train()
    optimizer = build(replace(spec.optimizer, lr=STILL), model.parameters())
    batches = task.train.shuffled(spec.budget.batch, stream(spec.seed, "order"))
    state = None

    def step() -> float:
        nonlocal state
        batch = next(batches).to(spec.device)
        watch = Stopwatch(spec.device)
        watch.go()
        _, state = update(model, task, spec.stabilisation, optimizer, batch, state)
        watch.halt()
        return watch.seconds

    return step, model.backend, width


def reference(spec: RunSpec) -> RunSpec:
    """The same network on plain `nn.LSTM`: no stabilisation, no attention, Adam."""
    from bench.axes import OPTIMIZERS
    from bench.spec import Stabilisation

    return replace(
        spec,
        architecture=replace(spec.architecture, cell="lstm", attention=False),
        stabilisation=Stabilisation(),
        optimizer=OPTIMIZERS["adam"],
    )


def rounds(count: int, *steps: Callable[[], float]) -> list[tuple[float, ...]]:
    """`count` rounds of one step of each, in a random order within a round; seconds in the order of `steps`."""
    draw = random.Random(0)
    taken = []
    for _ in range(count):
        seconds = [0.0] * len(steps)
        for index in draw.sample(range(len(steps)), len(steps)):
            seconds[index] = steps[index]()
        taken.append(tuple(seconds))
    return taken


def median_interval(values: list[float], repeats: int = 1_000) -> tuple[float, float]:
    """95 % bootstrap interval of the median: of the ratio of many pairs, never of a few seeds."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(repeats))
    return medians[round(0.025 * (repeats - 1))], medians[round(0.975 * (repeats - 1))]


def time_one(spec: RunSpec, data: Path | None, count: int) -> TimeRecord:
    """The timed record of one configuration: `count` rounds of it, its reference, and the reference again (A/A)."""
    from bench import machine, worker

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    subject, backend, width = stepper(spec, data)
    other, _, _ = stepper(reference(spec), data, width)
    again, _, _ = stepper(reference(spec), data, width)
    rounds(WARM_UP, subject, other, again)
    taken = rounds(count, subject, other, again)
    mine, theirs, control = ([round_[i] for round_ in taken] for i in range(3))
    ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
    ratio, ratio_min = statistics.median(ratios), min(mine) / min(theirs)
    low, high = median_interval(ratios)
    against_itself = statistics.median(a / b for a, b in zip(control, theirs, strict=True))
    return TimeRecord(
        id=digest({"configuration": spec.configuration_id, "machine": machine.label()}),
        configuration=spec.configuration_id,
        name=spec.configuration,
        device=spec.device,
        backend=backend,
        ms=1e3 * statistics.median(mine),
        ms_min=1e3 * min(mine),
        reference_ms=1e3 * statistics.median(theirs),
        ratio=ratio,
        ratio_low=low,
        ratio_high=high,
        ratio_min=ratio_min,
        control=against_itself,
        pairs=count,
        noisy=abs(against_itself - 1) > NOISY_CONTROL or abs(ratio / ratio_min - 1) > NOISY_RATIOS,
        load=load,
        machine=machine.about() | worker.settings(),
        versions=machine.versions(),
        code=machine.code(),
    )


def fill(specs: Iterable[RunSpec], store: Store, data: Path | None, count: int, as_json: bool) -> None:
    """Time every configuration that has no time yet, one after another in one process, and keep each at once."""
    from bench.execute import pool
    from bench.progress import counted
    from tasks.data import DamagedData, MissingData

    timed = {row["configuration"] for row in store.rows() if row["kind"] == "time"}
    todo = list({spec.configuration_id: spec for spec in specs if spec.configuration_id not in timed}.values())
    if not todo:
        return
    say = (lambda text: None) if as_json else functools.partial(print, flush=True)
    say(f"timing {len(todo)} configurations, alone and paired with nn.LSTM, {count} rounds each")
    absent: set[str] = set()
    with pool(1) as workshop, counted(len(todo), not as_json) as show:
        for spec in todo:
            show(spec.configuration)
            if spec.names.task in absent:
                continue
            future = workshop.schedule(time_one, args=[spec, data, count], timeout=spec.budget.seconds)
            try:
                record = future.result()
            except (MissingData, DamagedData):
                absent.add(spec.names.task)
                continue
            except Exception as error:  # what cannot be timed has an empty cell, and the rest go on
                say(f"not timed: {spec.configuration}: {type(error).__name__}: {error}")
                continue
            store.append(record)


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, read."""
    from bench import cli

    parser = cli.parser("bench.timing", "Time one training step of each configuration, alone, paired with nn.LSTM.")
    parser.add_argument("--rounds", type=int, metavar="N", help="interleaved rounds (default: the matrix's)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Time the configurations of a matrix on this machine and keep the times beside its scores."""
    from bench import cli

    asked = options(arguments)
    try:
        matrix, filters = cli.chosen(asked)
        if asked.rounds is not None and not 1 <= asked.rounds <= 100_000:
            raise cli.BadInput([f"--rounds must be in [1, 100000], got {asked.rounds}"])
        todo = cli.planned(matrix, filters, asked.device)
    except cli.BadInput as error:
        return cli.refuse(error)
    try:
        with cli.store(matrix, asked.results) as store:
            fill(todo.runs, store, asked.data, asked.rounds or matrix.pairs, asked.json)
    except KeyboardInterrupt:
        return cli.INTERRUPTED
    except (OSError, Busy) as error:
        print(f"error: cannot write to {asked.results}: {error}", file=sys.stderr)
        return cli.STORAGE
    return cli.OK


if __name__ == "__main__":
    sys.exit(main())
