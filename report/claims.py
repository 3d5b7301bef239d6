"""Textbook sentences, each with the measurement that decides it and a verdict computed from the records.

The rules stand in docs/claims.md and were written before the data. A claim is data; a measure is a function from a run
to one number; the verdict is one function for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from report.board import Board
from report.comparison import ALPHA, SEEDS, Paired, margin_of, paired, shared, tost
from report.frame import GROUP
from report.groups import AXES, Group
from report.stats import shown, signed
from tasks.cards import TASKS

SUPPORTED, OPPOSITE, NOT, OPEN = "supported", "opposite", "not supported", "not separated"

Numbers = dict[Any, float]  # by seed


@dataclass(frozen=True)
class Measure:
    """One number of a run, and how a difference in it is judged."""

    name: str
    better: str  # "higher", "lower", or "metric": as the task's metric
    of: Callable[[Board, Group, pd.DataFrame], Numbers]
    margin: Callable[[float, str], float]  # baseline's mean and unit -> a difference too small to matter
    whole: bool = False  # one verdict for all tasks of a family, not one a task


@dataclass(frozen=True)
class Claim:
    """A sentence, the techniques that it speaks of, and what decides it."""

    key: str
    sentence: str
    axis: str
    techniques: tuple[str, ...]
    measures: tuple[str, ...]
    against: str = ""  # the technique compared with; "" for the baseline


@dataclass(frozen=True)
class Finding:
    """The verdict of one claim for one technique, measure and task."""

    claim: Claim
    technique: str
    measure: str
    task: str
    verdict: str
    effect: float  # in the direction of the claim: positive supports it
    half: float
    n: int
    why: str  # what stands in the way of a verdict; "" for nothing
    cost: float  # ms a step over the baseline's; NaN where one was not timed


def _column(name: str) -> Callable[[Board, Group, pd.DataFrame], Numbers]:
    def of(board: Board, group: Group, runs: pd.DataFrame) -> Numbers:
        return {run["seed"]: float(run[name]) for run in runs.to_dict("records") if run["status"] == "ok"}

    return of


REACH = 1_000.0
"""Steps: a gradient that does not decay, or decays more slowly, counts as this half-life."""


def _log_half_life(board: Board, group: Group, runs: pd.DataFrame) -> Numbers:
    found = _column("half_end")(board, group, runs)
    return {seed: math.log2(min(max(value, 1e-3), REACH)) for seed, value in found.items() if not math.isnan(value)}


def _steps(board: Board, group: Group, runs: pd.DataFrame) -> Numbers:
    """Updates to the target; a run that never gets there counts as its last update, the least that can be said."""
    mine = board.arrivals[(board.arrivals["group"] == group.label)]
    mine = mine[mine["configuration"].isin(runs["configuration"])]
    return {row.seed: float(row.time) for row in mine.itertuples() if not math.isnan(row.time)}


def _seconds(board: Board, group: Group, runs: pd.DataFrame) -> Numbers:
    ms = _ms(board, group, runs)
    return {seed: steps * ms / 1000 for seed, steps in _steps(board, group, runs).items() if not math.isnan(ms)}


def _ms(board: Board, group: Group, runs: pd.DataFrame) -> float:
    rows = board.of(group)
    known = rows.loc[rows["configuration"].isin(runs["configuration"]), f"ms_{group.device}"].dropna()
    return float(known.iloc[0]) if len(known) else math.nan


def _finished(board: Board, group: Group, runs: pd.DataFrame) -> Numbers:
    return {run["seed"]: float(run["status"] == "ok") for run in runs.to_dict("records")}


def _two_percent(base: float, unit: str) -> float:
    return 0.02 * abs(base)


MEASURES: dict[str, Measure] = {
    "half-life": Measure("half-life, octaves", "higher", _log_half_life, lambda base, unit: 0.2),
    "gap": Measure("generalisation gap", "lower", _column("gap"), lambda base, unit: 0.1 * abs(base)),
    "score": Measure("test score", "metric", _column("score"), margin_of),
    "steps": Measure("updates to target", "lower", _steps, _two_percent),
    "seconds": Measure("seconds to target", "lower", _seconds, _two_percent),
    "finished": Measure("runs that finish", "higher", _finished, lambda base, unit: 0.0),
    "longest": Measure("longest T solved, octaves", "higher", lambda *_: {}, lambda base, unit: 0.0, whole=True),
}

_VANISHING = ("half-life", "longest", "score")
CLAIMS: tuple[Claim, ...] = (
    Claim("clip-vanishing", "Gradient clipping relieves vanishing gradients", "stabilisation",
          ("clip", "clip-value", "clip-1"), ("half-life", "longest")),
    Claim("clip-exploding", "Gradient clipping bounds exploding gradients", "stabilisation",
          ("clip", "clip-value", "clip-1"), ("finished",)),
    Claim("batch-norm", "Batch normalisation relieves vanishing gradients", "stabilisation",
          ("batch-norm", "recurrent-bn"), _VANISHING),
    Claim("relu", "ReLU relieves vanishing gradients", "stabilisation", ("relu", "leaky-relu"), _VANISHING),
    Claim("dropout", "Dropout reduces overfitting and improves the test score", "stabilisation",
          ("dropout", "variational"), ("gap", "score")),
    Claim("l2", "L2 regularisation reduces overfitting and improves the test score", "stabilisation",
          ("l2",), ("gap", "score")),
    Claim("early-stop", "Early stopping reduces overfitting and improves the test score", "stabilisation",
          ("early-stop",), ("gap", "score")),
    Claim("attention", "Attention helps with long dependencies", "architecture", ("attention",), ("longest", "score")),
    Claim("stacking", "Stacking layers helps on harder tasks", "architecture",
          ("stacked-2", "stacked-3", "stacked-4"), ("score",)),
    Claim("both-directions", "Reading in both directions helps", "architecture", ("bilstm",), ("score",)),
    Claim("adaptive", "Adaptive rules reach the target sooner than SGD", "optimizer",
          ("adam", "rmsprop", "nadam"), ("steps", "seconds"), against="sgd"),
)  # fmt: skip


def findings(board: Board) -> list[Finding]:
    """Every claim on every group of the board where its technique and what it is compared with were both run."""
    if board.baseline is None:
        return []
    keys = [tuple(getattr(group, part) for part in GROUP) for group in board.groups]
    members = dict(list(board.frames.runs.groupby(list(GROUP))))
    runs = [(group, members[key]) for group, key in zip(board.groups, keys, strict=True)]
    found: list[Finding] = []
    for claim in CLAIMS:
        for technique in claim.techniques:
            for name in claim.measures:
                measure = MEASURES[name]
                if measure.whole:
                    found += _longest(board, claim, technique, runs)
                else:
                    for group, all_ in runs:
                        found += _one(board, claim, technique, measure, group, all_)
    return found


def _triple(board: Board, axis: str, technique: str) -> tuple[str, ...]:
    """The baseline with one part replaced."""
    assert board.baseline is not None
    return tuple(technique if name == axis else part for name, part in zip(AXES, board.baseline, strict=True))


def _of(runs: pd.DataFrame, triple: tuple[str, ...]) -> pd.DataFrame:
    """The runs of a technique on the machine and version that most of them have: origins make no pairs."""
    mine = runs
    for axis, name in zip(AXES, triple, strict=True):
        mine = mine[mine[axis] == name]
    return mine


def _pair(board: Board, claim: Claim, technique: str, runs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """The technique's runs and those it is compared with, of one origin; None where either is absent."""
    assert board.baseline is not None
    ours = _of(runs, _triple(board, claim.axis, technique))
    other = _triple(board, claim.axis, claim.against) if claim.against else board.baseline
    theirs = _of(runs, other)
    both = set(ours["origin"]) & set(theirs["origin"])
    if not both or _triple(board, claim.axis, technique) == other:
        return None
    origin = max(sorted(both), key=lambda name: int((ours["origin"] == name).sum()))
    return ours[ours["origin"] == origin], theirs[theirs["origin"] == origin]


def _one(
    board: Board, claim: Claim, technique: str, measure: Measure, group: Group, runs: pd.DataFrame
) -> Iterable[Finding]:
    sides = _pair(board, claim, technique, runs)
    if sides is None:
        return
    ours, theirs = (measure.of(board, group, side) for side in sides)
    better = group.better if measure.better == "metric" else measure.better
    a, b = shared(ours, theirs)
    ms = [_ms(board, group, side) for side in sides]
    one = _judged(claim, technique, measure, group.label, a, b, better, group.unit, ms[0] / ms[1])
    yield _with_failures(one, measure, *sides)


def _judged(
    claim: Claim, technique: str, measure: Measure, task: str, ours: list[float], theirs: list[float], better: str,
    unit: str, cost: float,
) -> Finding:  # fmt: skip
    found = paired(ours, theirs, better)
    margin = measure.margin(float(np.mean(theirs)), unit) if theirs else math.nan
    said, why = verdict(found, margin)
    return Finding(claim, technique, measure.name, task, said, found.gain, found.half, found.n, why, cost)


def _with_failures(one: Finding, measure: Measure, ours: pd.DataFrame, theirs: pd.DataFrame) -> Finding:
    """The finding with what failed runs add: they make no pair, and are no reason to look away."""
    ok, also = (side["status"] == "ok" for side in (ours, theirs))
    if measure is MEASURES["finished"] and ok.all() and also.all():
        return replace(one, verdict=OPEN, why="no run failed on either side: nothing to bound")
    if measure is MEASURES["score"] and not ok.any() and also.all():
        return replace(one, verdict=OPPOSITE, why=f"every run {ours['status'].iloc[0]}, none of the baseline's")
    if not ok.all():
        told = f"{int((~ok).sum())} of {len(ok)} runs failed"
        return replace(one, why="; ".join(filter(None, [one.why, told])))
    return one


def verdict(found: Paired, margin: float) -> tuple[str, str]:
    """What a paired difference says of a claim that it is positive, and what stands in the way.

    Supported where its 95 % interval is above zero, opposite where it is below; not supported where two one-sided tests
    show it smaller than the margin (or there is no difference with any seed); else not separated.
    """
    if found.n < SEEDS:
        return OPEN, f"{found.n} pairs: a verdict needs {SEEDS}"
    if math.isnan(found.half):  # the same difference with every seed
        if found.gain == 0:
            return NOT, "the same with every seed"
        return (SUPPORTED if found.gain > 0 else OPPOSITE), "the same difference with every seed"
    if found.gain - found.half > 0:
        return SUPPORTED, ""
    if found.gain + found.half < 0:
        return OPPOSITE, ""
    if margin > 0 and tost(found, margin) <= ALPHA:
        return NOT, f"within ± {shown(margin, 2)}"
    return OPEN, ""


def _longest(board: Board, claim: Claim, technique: str, runs: list[tuple[Group, pd.DataFrame]]) -> Iterable[Finding]:
    """Longest T solved, one verdict a problem: the longest of which every shorter one is solved too, seed by seed."""
    kinds: dict[str, list[tuple[int, Group, pd.DataFrame]]] = {}
    for group, all_ in runs:
        card = TASKS.get(group.task)
        if card is not None and card.solved is not None:
            kind, _, steps = group.task.rpartition("/")
            kinds.setdefault(kind, []).append((int(steps), group, all_))
    for kind, parts in sorted(kinds.items()):
        if len(parts) < 2:
            continue
        sides: list[dict[Any, list[tuple[int, bool]]]] = [{}, {}]
        for length, group, all_ in sorted(parts, key=lambda part: part[0]):
            pair = _pair(board, claim, technique, all_)
            if pair is None:
                continue
            for side, table in zip(sides, pair, strict=True):
                for run in table.to_dict("records"):
                    side.setdefault(run["seed"], []).append((length, _solves(run, group.task)))
        if not sides[0]:
            continue
        ours, theirs = ({seed: math.log2(longest(found)) for seed, found in side.items()} for side in sides)
        a, b = shared(ours, theirs)
        yield _judged(claim, technique, MEASURES["longest"], kind, a, b, "higher", "", math.nan)


def _solves(run: dict[str, Any], task: str) -> bool:
    solved = TASKS[task].solved
    return run["status"] == "ok" and solved is not None and run["score"] < solved


def longest(found: list[tuple[int, bool]]) -> int:
    """The longest T solved with every shorter one; half of the shortest where not even that is."""
    reached = found[0][0] // 2
    for length, solved in sorted(found):
        if not solved:
            break
        reached = length
    return reached


def rows(board: Board) -> list[tuple[str, ...]]:
    """One row a finding, as text, in the order of HEADS."""
    return [
        (
            one.claim.sentence,
            one.technique,
            one.measure,
            one.task,
            one.verdict,
            signed(one.effect) + ("" if math.isnan(one.half) else f" ± {shown(one.half, 2)}"),
            str(one.n),
            "" if math.isnan(one.cost) else f"{shown(one.cost, 2)}×",
            one.why,
        )
        for one in findings(board)
    ]


HEADS = ("claim", "technique", "measured by", "task", "verdict", "effect, + as claimed", "pairs", "ms/step", "remarks")


def summary(board: Board) -> list[tuple[str, ...]]:
    """One row a claim, technique and measure: how many tasks say what."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for one in findings(board):
        found.setdefault((one.claim.sentence, one.technique, one.measure), []).append(one.verdict)
    order = (SUPPORTED, OPPOSITE, NOT, OPEN)
    return [(*key, *(str(told.count(name)) if name in told else "" for name in order)) for key, told in found.items()]


SUMMARY_HEADS = ("claim", "technique", "measured by", SUPPORTED, OPPOSITE, NOT, OPEN)
