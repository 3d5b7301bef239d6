"""How long a matrix will take: short runs of a sample of its configurations, measured before the start.

Every task is sampled at its commonest configuration, and every technique beside it, first on the cheapest task of each
family and then where most of the time goes. The sample takes a small share of what it foretells. Where a technique was
not sampled, its cost is that of the task times the technique's ratio on another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

from bench.execute import pool
from bench.spec import RunSpec

SHARE, LEAST, MOST = 0.03, 10.0, 600.0
"""The share of what it foretells that the sample may take, and its bounds in seconds, beside one probe of each task."""
STEPS, ENOUGH = 12, 0.4
"""A probe's updates, and the seconds after which fewer will do."""
FEW = 32
"""Sequences in the points of a probe's curve."""

AXES = ("architecture", "stabilisation", "optimizer")
Place = tuple[str, str, str]
"""Task, device and back end asked for."""


@dataclass(frozen=True)
class Cost:
    """Seconds, on a machine whose other workers are busy too."""

    run: float  # a whole run that is scored
    trial: float  # a whole run without the test split and without probes
    step: float  # one update
    ready: float  # building a network, and its first update
    load: float  # reading the task, once for each worker
    spent: float  # what the probe itself took

    def over(self, other: Cost) -> Ratio:
        return Ratio(self.run / other.run, self.trial / other.trial, self.step / other.step)


@dataclass(frozen=True)
class Ratio:
    """A technique's cost over that of the task's commonest configuration."""

    run: float = 1.0
    trial: float = 1.0
    step: float = 1.0

    def times(self, other: Ratio) -> Ratio:
        return Ratio(self.run * other.run, self.trial * other.trial, self.step * other.step)


@dataclass(frozen=True)
class Work:
    """What a matrix has still to do."""

    scores: Sequence[RunSpec]
    trials: Sequence[RunSpec] = ()
    timed: Sequence[RunSpec] = ()
    rounds: int = 0  # of the timed pass

    @property
    def all(self) -> Iterator[RunSpec]:
        yield from (*self.trials, *self.scores)


def probe(spec: RunSpec, data: Path | None) -> Cost | None:
    """The cost of this configuration here; None where it cannot run."""
    import torch

    from bench.clock import now
    from bench.core import NoBackend
    from bench.optimizers import NoPackage
    from bench.probes import vanishing
    from bench.run import loaded, network, trial_one
    from bench.timing import stepper
    from bench.train import evaluate
    from bench.tune import Trial
    from tasks.data import DamagedData, MissingData

    if spec.device != "cpu" and not torch.cuda.is_available():  # of a cluster, which is not asked
        return None
    begin = now(spec.device)
    budget = spec.budget
    small = replace(budget, steps=1, evaluate=1, curve=min(FEW, budget.curve))
    once = Trial(0, "", {}, replace(spec, budget=small))
    try:
        task, _ = loaded(spec.names.task, data)
        load = now(spec.device) - begin
        stepper(spec, data)[0]()
    except (MissingData, DamagedData, NoBackend, NoPackage):
        return None
    trial_one(once, data)  # the first one checks the task and warms up
    start = now(spec.device)
    if trial_one(once, data).status not in ("ok", "diverged"):
        return None
    whole = now(spec.device) - start
    start = now(spec.device)
    step, _, _ = stepper(spec, data)
    step()
    ready = now(spec.device) - start
    taken: list[float] = []
    while len(taken) < STEPS and sum(taken) < ENOUGH:
        taken.append(step())
    update = sum(taken) / len(taken)

    model = network(spec, task)
    start = now(spec.device)
    evaluate(model, task, task.valid, budget.curve)
    sequence = (now(spec.device) - start) / min(budget.curve, len(task.valid))
    start = now(spec.device)
    vanishing(model, task)
    microscope = now(spec.device) - start
    points = -(-budget.steps // budget.evaluate) + 1
    train, valid, test = (min(budget.curve, len(split)) for split in (task.train, task.valid, task.test))
    once_only = max(whole - update - 4 * small.curve * sequence, 0.0)  # two points of two splits are counted below
    trial = once_only + update * budget.steps + sequence * points * (train + valid)
    run = trial + sequence * (points * test + len(task.test)) + 2 * microscope
    return Cost(run, trial, update, ready, load, now(spec.device) - begin)


def place(spec: RunSpec) -> Place:
    return spec.names.task, spec.device, spec.backend


def commonest(specs: Iterable[RunSpec]) -> RunSpec:
    """Of some runs, one with the commonest choice on as many axes as can be."""
    specs = list(specs)
    counts = {axis: Counter(getattr(spec.names, axis) for spec in specs) for axis in AXES}
    return max(specs, key=lambda spec: sum(counts[axis][getattr(spec.names, axis)] for axis in AXES))


def variants(work: Work, base: RunSpec) -> Iterator[tuple[tuple[str, str], RunSpec]]:
    """`base` with one choice of one axis changed, for every choice made at its place: the axis, its name, the run."""
    seen = {(axis, getattr(base.names, axis)) for axis in AXES}
    for spec in work.all:
        for axis in AXES:
            choice = axis, getattr(spec.names, axis)
            if place(spec) == place(base) and choice not in seen:
                seen.add(choice)
                yield choice, replace(base, **{axis: getattr(spec, axis)})


@dataclass
class Sample:
    """What was measured."""

    bases: dict[Place, Cost]
    ratios: dict[tuple[Place, tuple[str, str]], Ratio]
    started: float = 0.0  # seconds until a fresh pool answers

    def ratio(self, where: Place, choice: tuple[str, str]) -> Ratio:
        """Of a choice here, else on a task of the same family, else anywhere; 1 where it was never sampled."""
        here = self.ratios.get((where, choice))
        if here is not None:
            return here
        known = [(place, ratio) for (place, other), ratio in self.ratios.items() if other == choice]
        family = [ratio for place, ratio in known if place[0].split("/")[0] == where[0].split("/")[0]]
        return (family or [ratio for _, ratio in known] or [Ratio()])[-1]

    def of(self, spec: RunSpec, base: RunSpec) -> Ratio:
        """Of a configuration: the product over the axes on which it differs from its task's base."""
        found = Ratio()
        for axis in AXES:
            if getattr(spec.names, axis) != getattr(base.names, axis):
                found = found.times(self.ratio(place(spec), (axis, getattr(spec.names, axis))))
        return found


def seconds(work: Work, bases: dict[Place, RunSpec], sample: Sample, workers: int) -> float:
    """The forecast that a sample gives: runs side by side, then times one after another."""
    known = sample.bases
    trials, scores, timed = (
        [spec for spec in specs if place(spec) in known] for specs in (work.trials, work.scores, work.timed)
    )
    side_by_side = sum(known[place(s)].trial * sample.of(s, bases[place(s)]).trial for s in trials)
    side_by_side += sum(known[place(s)].run * sample.of(s, bases[place(s)]).run for s in scores)
    total = side_by_side / workers
    for specs in (trials, scores, scores, timed):  # scores, then what needs no network
        # each pass has workers of its own, and each of them reads every task
        total += sample.started * bool(specs) + sum(known[where].load for where in {place(spec) for spec in specs})
    for spec in timed:
        base = known[place(spec)]
        total += 3 * base.ready + (work.rounds + 2) * base.step * (2 + sample.of(spec, bases[place(spec)]).step)
    return total


def forecast(
    work: Work, data: Path | None, workers: int, measure: Callable[[RunSpec, Path | None], Cost | None] = probe
) -> float:
    """Seconds for this work on `workers` processes."""
    grouped: dict[Place, list[RunSpec]] = {}
    for spec in work.all:
        grouped.setdefault(place(spec), []).append(spec)
    for spec in work.timed:
        grouped.setdefault(place(spec), [spec])
    bases = {where: commonest(specs) for where, specs in grouped.items()}
    sample = Sample({}, {})
    begin = monotonic()
    hands = min(workers, max(1, sum(len(specs) for specs in grouped.values())))  # each takes seconds to start
    with pool(hands, level=next((spec.isa for spec in bases.values()), "native")) as workshop:

        def taken(todo: Iterable[tuple[Any, RunSpec]], until: float) -> Iterator[tuple[Any, Cost]]:
            """The probes that could be begun in time, as they end; as many at work as there are workers."""
            queue = iter(todo)
            running: dict[Future[Cost | None], Any] = {}
            while True:
                while len(running) < hands and monotonic() < until and (item := next(queue, None)) is not None:
                    running[workshop.schedule(measure, args=[item[1], data])] = item[0]
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    key, cost = running.pop(future), future.result()
                    if cost is not None:
                        yield key, cost

        for where, cost in taken(bases.items(), float("inf")):
            sample.started = sample.started or max(monotonic() - begin - cost.spent, 0.0)
            sample.bases[where] = cost
        limit = min(max(SHARE * seconds(work, bases, sample, workers), LEAST), MOST)
        order = _order(work, bases, sample)
        todo = (((where, choice), spec) for where in order for choice, spec in variants(work, bases[where]))
        for (where, choice), cost in taken(todo, monotonic() + limit):
            sample.ratios[where, choice] = cost.over(sample.bases[where])
    return seconds(work, bases, sample, workers)


def _order(work: Work, bases: dict[Place, RunSpec], sample: Sample) -> list[Place]:
    """Places to sample techniques at: the quickest to probe of each family, then those where most of the time goes."""
    counts = Counter(place(spec) for spec in work.all)
    by_spent = sorted(sample.bases, key=lambda where: sample.bases[where].spent)
    first = {where[0].split("/")[0]: where for where in reversed(by_spent)}
    rest = sorted(sample.bases, key=lambda where: -counts[where] * sample.bases[where].run)
    return list(dict.fromkeys([*first.values(), *rest]))
