"""Textbook sentences, each with the measurement that decides it and a verdict computed from the records.

The rules stand in docs/claims.md. A claim is data; a measure is a function from runs to one number each; the verdict is
one function for all (report.verdicts).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from report.board import Board
from report.comparison import margin_of
from report.groups import Group

AGAINST = {"architecture": "lstm", "stabilisation": "none", "optimizer": "sgd"}
"""What a technique of each axis is compared with; the other two axes are the baseline's."""

Numbers = dict[Any, float]  # by seed


@dataclass(frozen=True)
class Measure:
    """One number of a run, and how a difference in it is judged."""

    name: str
    better: str  # "higher", "lower", or "metric": as the task's metric
    of: Callable[[Board, Group, pd.DataFrame], Numbers]
    margin: Callable[[float, str], float]  # mean and unit of the other side -> a difference too small to matter
    whole: bool = False  # one verdict for all lengths of a problem, not one a task
    failures: bool = False  # a failed run has a value too


@dataclass(frozen=True)
class Claim:
    """A sentence, the techniques that it speaks of, and what decides it."""

    key: str
    sentence: str
    axis: str
    techniques: tuple[str, ...]
    measures: tuple[str, ...]
    against: str = ""  # what they are compared with, where it is not AGAINST
    on: str = ""  # the architecture that both sides have, where it is not the baseline's

    @property
    def other(self) -> str:
        """What the techniques are compared with."""
        return self.against or AGAINST[self.axis]


def _column(name: str) -> Callable[[Board, Group, pd.DataFrame], Numbers]:
    def of(board: Board, group: Group, runs: pd.DataFrame) -> Numbers:
        found = zip(runs["seed"].to_list(), runs["status"].to_list(), runs[name].astype(float).to_list(), strict=True)
        return {seed: value for seed, status, value in found if status == "ok" and not math.isnan(value)}

    return of


REACH = 1_000.0
"""Steps: a gradient that does not decay, or decays more slowly, counts as this half-life."""


def _log_half_life(board: Board, group: Group, runs: pd.DataFrame) -> Numbers:
    found = _column("half_end")(board, group, runs)
    return {seed: math.log2(min(max(value, 1e-3), REACH)) for seed, value in found.items()}


def _steps(board: Board, group: Group, runs: pd.DataFrame) -> Numbers:
    """Updates to the target; a run that never gets there counts as its last update, the least that can be said.

    One that was cut off before the clock stops makes no pair: an early crash is no early arrival.
    """
    mine = arrivals(board, group, runs)
    return {row.seed: float(row.time) for row in mine.itertuples() if row.reached or row.time >= group.horizon}


def arrivals(board: Board, group: Group, runs: pd.DataFrame) -> pd.DataFrame:
    """When runs that share configuration and origin reached the target."""
    first = runs.iloc[0]
    return board.arrived(group, first["configuration"], first["origin"])


def _seconds(board: Board, group: Group, runs: pd.DataFrame) -> Numbers:
    ms = ms_of(board, group, runs)
    return {seed: steps * ms / 1000 for seed, steps in _steps(board, group, runs).items() if not math.isnan(ms)}


def row_of(board: Board, group: Group, runs: pd.DataFrame) -> dict[str, Any]:
    """The leaderboard's row of runs that share configuration and origin."""
    first = runs.iloc[0]
    return board.row(group, first["configuration"], first["origin"])


def ms_of(board: Board, group: Group, runs: pd.DataFrame) -> float:
    return float(row_of(board, group, runs).get(f"ms_{group.device}", math.nan))


BROKEN = ("diverged", "no score")
"""A run that ended so failed by itself; one that was cut off (timeout, crash, memory) says nothing of training."""


def _finished(board: Board, group: Group, runs: pd.DataFrame) -> Numbers:
    told = {"ok": 1.0, **dict.fromkeys(BROKEN, 0.0)}
    return {run["seed"]: told[run["status"]] for run in runs.to_dict("records") if run["status"] in told}


def _two_percent(base: float, unit: str) -> float:
    return 0.02 * abs(base)


MEASURES: dict[str, Measure] = {
    "half-life": Measure("half-life, octaves", "higher", _log_half_life, lambda base, unit: 0.2),
    "gap": Measure("gap of the scored weights", "lower", _column("gap_scored"), lambda base, unit: 0.1 * abs(base)),
    "score": Measure("test score", "metric", _column("score"), margin_of),
    "steps": Measure("updates to target", "lower", _steps, _two_percent, failures=True),
    "seconds": Measure("seconds to target", "lower", _seconds, _two_percent, failures=True),
    "finished": Measure("runs that finish", "higher", _finished, lambda base, unit: 0.0, failures=True),
    "longest": Measure("longest T solved, octaves", "higher", lambda *_: {}, lambda base, unit: 0.0,
                       whole=True, failures=True),
}  # fmt: skip

_VANISHING = ("half-life", "longest", "score")
CLAIMS: tuple[Claim, ...] = (
    Claim("clip-vanishing", "Gradient clipping relieves vanishing gradients", "stabilisation",
          ("clip", "clip-value", "clip-1"), ("half-life", "longest")),
    Claim("clip-vanishing-rnn", "Gradient clipping relieves vanishing gradients", "stabilisation",
          ("clip", "clip-1"), ("half-life", "longest"), on="rnn"),
    Claim("clip-exploding", "Gradient clipping bounds exploding gradients", "stabilisation",
          ("clip", "clip-value", "clip-1"), ("finished",)),
    Claim("batch-norm", "Batch normalisation relieves vanishing gradients", "stabilisation",
          ("batch-norm", "recurrent-bn"), _VANISHING),
    Claim("batch-norm-rnn", "Batch normalisation relieves vanishing gradients", "stabilisation",
          ("batch-norm",), _VANISHING, on="rnn"),
    Claim("relu", "ReLU relieves vanishing gradients", "stabilisation", ("relu", "leaky-relu"), _VANISHING),
    Claim("relu-rnn", "ReLU relieves vanishing gradients", "stabilisation", ("relu",), _VANISHING, on="rnn"),
    Claim("irnn", "ReLU relieves vanishing gradients", "architecture", ("irnn",), _VANISHING, against="rnn"),
    Claim("dropout", "Dropout reduces overfitting and improves the test score", "stabilisation",
          ("dropout", "variational"), ("gap", "score")),
    Claim("l2", "L2 regularisation reduces overfitting and improves the test score", "stabilisation",
          ("l2",), ("gap", "score")),
    Claim("early-stop", "Early stopping reduces overfitting and improves the test score", "stabilisation",
          ("early-stop",), ("gap", "score")),
    Claim("attention", "Attention helps with long dependencies", "architecture", ("attention",), ("longest", "score")),
    Claim("stacking", "Stacking layers helps on harder tasks", "architecture",
          ("stacked-2", "stacked-3", "stacked-4"), ("score",)),
    Claim("both-directions", "Reading in both directions helps on harder tasks", "architecture",
          ("bilstm",), ("score",)),
    Claim("adaptive", "Adaptive rules reach the target sooner than SGD", "optimizer",
          ("adam", "rmsprop", "nadam"), ("steps", "seconds")),
)  # fmt: skip
