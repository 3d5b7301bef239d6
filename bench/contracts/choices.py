"""What every named choice keeps: it changes a run, one spec is one run, and a sentence says what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch

from bench.axes import ARCHITECTURES, BASELINE, OPTIMIZERS, STABILISATIONS
from bench.contracts import Broken, hold
from bench.methods import method
from bench.record import RunRecord
from bench.run import run_one
from bench.sense import nonsense
from bench.spec import Budget, Names, RunSpec
from tasks.cards import TASKS

EMBEDDED = ("series/mackey-glass", "language/grammar", "speech/digits")
"""Where a choice is tried: on the first of these that it makes sense on."""

BUDGET = Budget(2_000, batch=16, steps=8, evaluate=4, curve=32, seconds=600)


def spec_of(axis: str, name: str) -> RunSpec:
    """A tiny run of the baseline with this choice in it. Raises Broken where it makes sense on no embedded task."""
    names = dict(zip(("architecture", "stabilisation", "optimizer"), BASELINE, strict=True)) | {axis: name}
    architecture, recipe = ARCHITECTURES[names["architecture"]], STABILISATIONS[names["stabilisation"]]
    reasons = []
    for task in EMBEDDED:
        if (why := nonsense(architecture, recipe, TASKS[task])) is None:
            version, rule = TASKS[task].version, OPTIMIZERS[names["optimizer"]]
            return RunSpec(Names(task, **names), version, architecture, recipe, rule, BUDGET, "cpu", 0)
        reasons.append(f"{task}: {why}")
    raise Broken(f"it makes sense on none of the embedded tasks ({'; '.join(reasons)})")


@cache
def _baseline(spec: RunSpec) -> RunRecord:
    return run_one(spec)


def changes(axis: str, name: str) -> str | None:
    """it changes the run, and leaves every other run alone"""
    spec = spec_of(axis, name)
    plain = replace(
        spec,
        architecture=ARCHITECTURES[BASELINE[0]],
        stabilisation=STABILISATIONS[BASELINE[1]],
        optimizer=OPTIMIZERS[BASELINE[2]],
    )
    before = _baseline(plain)
    record = run_one(spec)
    hold(record.status in ("ok", "diverged"), f"the run ended {record.status}: {record.reason}")
    hold(record.weights != before.weights, f"the run ends in the weights of {'/'.join(BASELINE)}: it does nothing")
    after = run_one(plain)
    hold(after.weights == before.weights, f"{'/'.join(BASELINE)} ends in other weights once this has run: state leaks")
    return None


def repeats(axis: str, name: str) -> str | None:
    """the same spec gives the same run"""
    spec = spec_of(axis, name)
    found = []
    for noise in (1, 2):
        torch.manual_seed(noise)  # what went on in the process before must not matter
        found.append(run_one(spec).weights)
    hold(found[0] == found[1], "two runs of one spec end in different weights: draw from torch's global generator only")
    return None


def described(axis: str, name: str) -> str | None:
    """a sentence says what it is"""
    known = method(axis, name)
    hold(known is not None and known.what.strip(), f"METHODS[{axis!r}] has no sentence for it")
    return None


CHECKS: tuple[Callable[[str, str], str | None], ...] = (changes, repeats, described)
