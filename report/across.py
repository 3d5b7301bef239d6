"""Techniques over several tasks: mean ranks and when they differ, performance profiles, what is typical of gains.

Plain numbers in, plain numbers out; a table has one row a task and one column a technique.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Table = np.ndarray


@dataclass(frozen=True)
class Friedman:
    """Whether mean ranks over tasks differ at all, and by how much two must (Friedman 1937; Demsar 2006)."""

    ranks: tuple[float, ...]  # mean rank of each technique, 1 the best
    statistic: float
    p: float  # NaN where all tie on all tasks
    critical: float  # two mean ranks closer than this are not separated (Nemenyi 1963)


def friedman(ranks: Table, alpha: float = 0.05) -> Friedman:
    """The tests of a table of ranks within each task, ties sharing the mean of their places; 2 rows and columns at
    least."""
    from scipy.special import chdtrc

    tasks, count = ranks.shape
    means = ranks.mean(axis=0)
    # Conover's form, which allows for ties: with none it is Demsar's 12 N / (k (k + 1)) (sum R^2 - k (k + 1)^2 / 4)
    between = tasks**2 * float(np.sum((means - (count + 1) / 2) ** 2))
    within = float(np.sum((ranks - (count + 1) / 2) ** 2))
    statistic = (count - 1) * between / within if within else math.nan
    p = float(chdtrc(count - 1, statistic)) if within else math.nan
    return Friedman(tuple(means.tolist()), statistic, p, critical_difference(count, tasks, alpha))


def critical_difference(techniques: int, tasks: int, alpha: float = 0.05) -> float:
    """Nemenyi's: q of the studentised range over sqrt 2, times sqrt(k (k + 1) / 6 N)."""
    from scipy.stats import studentized_range

    q = float(studentized_range.isf(alpha, techniques, np.inf)) / math.sqrt(2)
    return q * math.sqrt(techniques * (techniques + 1) / (6 * tasks))


def not_separated(ranks: Sequence[float], critical: float) -> list[tuple[float, float]]:
    """The longest stretches of mean ranks in which no two differ by `critical`: the bars of the diagram."""
    values = sorted(set(ranks))
    found: list[tuple[float, float]] = []
    for low in values:
        high = max(value for value in values if value - low < critical)
        if high > low and (not found or high > found[-1][1]):
            found.append((low, high))
    return found


def ratios(times: Table) -> Table:
    """Each time over the best of its task; infinite where a technique, or nobody, got there."""
    best = np.min(times, axis=1, keepdims=True, initial=np.inf)
    known = np.isfinite(times) & np.isfinite(best)
    first = known & (times == best)  # before the first update too, where a ratio would be 0 / 0
    return np.divide(times, best, out=np.where(first, 1.0, np.inf), where=known & ~first & (best > 0))


def profile(times: Table, taus: Sequence[float] | np.ndarray) -> Table:
    """For each tau (a row) and technique, the share of tasks done in tau times the best time (Dolan & More 2002)."""
    found = ratios(times)
    return np.array([(found <= tau).mean(axis=0) for tau in taus])


def algoperf(times: Table, tau: float = 4.0) -> list[float]:
    """AlgoPerf's score (Dahl et al. 2023): the mean height of the profile from 1 to tau, 1 for the fastest everywhere.

    `times` are medians over studies of the time to target, infinite where it was not reached. A profile is made of
    steps, so its integral is exact: a task counts from its ratio to tau.
    """
    return (np.clip(tau - ratios(times), 0, tau - 1).mean(axis=0) / (tau - 1)).tolist()


def iqm(values: Sequence[float]) -> float:
    """The mean of the middle half (Agarwal et al. 2021); a quarter, rounded down, is cut from either end."""
    cut = len(values) // 4
    return (
        float(np.mean(np.sort(np.asarray(values, dtype=float))[cut : len(values) - cut])) if len(values) else math.nan
    )


def improvement(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]], better: Sequence[str]) -> float:
    """Probability that a run of ours beats one of theirs, ties half, the mean over tasks (Agarwal et al. 2021).

    One list of scores a task, in the task's own direction. A run without a score is NaN, and loses to every one with.
    """
    found = []
    for mine, other, way in zip(ours, theirs, better, strict=True):
        a, b = (_upwards(scores, way) for scores in (mine, other))
        if len(a) and len(b):
            found.append(np.mean((a[:, None] > b) + (a[:, None] == b) / 2))
    return float(np.mean(found)) if found else math.nan


def _upwards(scores: Sequence[float], better: str) -> np.ndarray:
    """Scores of which higher is better, a missing one the worst."""
    values = np.asarray(scores, dtype=float) * (1 if better == "higher" else -1)
    return np.where(np.isnan(values), -np.inf, values)
