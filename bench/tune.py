"""Equal tuning: the same number of trials for every technique, judged on validation, then fresh seeds for the score.

A trial is a run without a test split, with values from a quasi-random sequence. The first N points of the sequence are
the same whatever N and whatever the technique, so that more trials add to those that are there.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.record import Status, TrialRecord, unfinished
from bench.spaces import DIMENSIONS, chosen, settled, space
from bench.spec import RunSpec

SEEDS = 2**31
"""Seeds of trials begin where those of matrices end: no score is ever taken with a seed that chose something."""
SCRAMBLE = 2026
"""Seed of the scrambled Halton sequence (Owen 2017)."""


@dataclass(frozen=True)
class Trial:
    """One point of a technique's space, as a run."""

    index: int
    of: str  # RunSpec.configuration_id of the technique at the tables' values
    values: dict[str, float]
    spec: RunSpec

    @property
    def name(self) -> str:
        return f"{self.spec.configuration}/trial{self.index}"

    @property
    def budget(self) -> Any:
        return self.spec.budget

    @property
    def id(self) -> str:
        """Of the resolved values, like a run's: other ranges are other trials."""
        return self.spec.id


@lru_cache
def points(count: int) -> tuple[tuple[float, ...], ...]:
    """The first points of the sequence, each in [0, 1)^DIMENSIONS."""
    from scipy.stats import qmc

    drawn = qmc.Halton(DIMENSIONS, scramble=True, rng=SCRAMBLE).random(count)
    return tuple(tuple(float(x) for x in point) for point in drawn)


def trials(specs: Iterable[RunSpec], count: int) -> list[Trial]:
    """`count` trials of each technique among `specs`, technique by technique."""
    found = []
    for spec in _techniques(specs).values():
        ranges = space(spec.optimizer, spec.stabilisation)
        for index, point in enumerate(points(count)):
            values = chosen(ranges, point)
            run = replace(settled(spec, values), seed=SEEDS + index)
            found.append(Trial(index, spec.configuration_id, values, run))
    return found


def _techniques(specs: Iterable[RunSpec]) -> dict[str, RunSpec]:
    """One run of each configuration."""
    found: dict[str, RunSpec] = {}
    for spec in specs:
        found.setdefault(spec.configuration_id, spec)
    return found


def tuned(
    specs: Iterable[RunSpec], rows: Iterable[dict[str, Any]], count: int, absent: Collection[str] = ()
) -> list[tuple[RunSpec, dict[str, Any]]]:
    """Each run at the values that its technique's trials chose, and what its record says of them.

    Runs of a technique whose trials are not all there are left out: there is nothing yet to run. Where every trial
    failed the tables' values stand, and the record says so. Techniques in `absent` cannot be tried here: their runs
    stand at the tables' values too, to be skipped with the reason.
    """
    known = {row["id"]: row for row in rows if row["kind"] == "trial"}
    specs = list(specs)
    choices = {}
    for name, spec in _techniques(specs).items():
        mine = [(trial, known.get(trial.id)) for trial in trials([spec], count)]
        if all(row is not None for _, row in mine):
            choices[name] = choice(spec, [(trial, row) for trial, row in mine if row is not None])
        elif name in absent:
            choices[name] = {}, {}
    found = []
    for spec in specs:
        if spec.configuration_id in choices:
            values, about = choices[spec.configuration_id]
            found.append((replace(settled(spec, values), tuned=count), about))
    return found


def choice(spec: RunSpec, made: list[tuple[Trial, dict[str, Any]]]) -> tuple[dict[str, float], dict[str, Any]]:
    """The values of the trial with the lowest validation loss, and the record of how they were chosen."""
    losses = [math.inf if row["valid"] is None else row["valid"] for _, row in made]
    best = min(range(len(made)), key=losses.__getitem__)
    about = {
        "trials": len(made),
        "failed": sum(math.isinf(loss) for loss in losses),
        "space": {name: asdict(range_) for name, range_ in space(spec.optimizer, spec.stabilisation).items()},
    }
    if math.isinf(losses[best]):
        return {}, about | {"chosen": {}, "note": "no trial ended with a score: the values are the tables'"}
    return made[best][0].values, about | {"chosen": made[best][0].values, "trial": best, "valid": losses[best]}


def lost(trial: Trial, status: Status, reason: str) -> TrialRecord:
    """The record of a trial that was killed or ran out of time; others are built on it."""
    empty = unfinished(trial.spec, status, reason)
    return TrialRecord(
        trial.id, trial.name, trial.of, empty.names, empty.spec, trial.index, trial.values, status, reason,
        machine=empty.machine, versions=empty.versions, code=empty.code,
    )  # fmt: skip


def trial_one(trial: Trial, data: Path | None) -> TrialRecord:
    """bench.run.trial_one, imported where it runs: the parent process never loads torch."""
    from bench.run import trial_one

    return trial_one(trial, data)


def missing(specs: Iterable[RunSpec], rows: Iterable[dict[str, Any]], count: int) -> Iterator[Trial]:
    """The trials that have no record yet."""
    known = {row["id"] for row in rows if row["kind"] == "trial"}
    return (trial for trial in trials(specs, count) if trial.id not in known)
