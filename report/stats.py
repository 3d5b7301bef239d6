"""The arithmetic of the report: intervals over seeds, ranks, steps to a target. Plain numbers in, plain numbers out."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from scipy.special import stdtrit


def t_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Mean and half-width of Student's t interval; the half-width is NaN for fewer than two values.

    Not a bootstrap: over 3 to 5 seeds a percentile or BCa interval called 95 % covers 70 to 82 %, this one 94 to 95 %.
    """
    if not len(values):
        return math.nan, math.nan
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, math.nan
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean, float(stdtrit(len(values) - 1, 0.5 + level / 2)) * spread


def dense_ranks(keys: Sequence[Hashable]) -> list[int]:
    """1 for each of the smallest keys, 2 for each of the next: equal keys share a rank."""
    order = {key: rank for rank, key in enumerate(sorted(set(keys)), 1)}  # type: ignore[type-var]
    return [order[key] for key in keys]


def average_ranks(keys: Sequence[Hashable]) -> list[float]:
    """Ranks whose sum does not depend on ties (Demsar 2006): rows that tie share the mean of their places."""
    dense = np.asarray(dense_ranks(keys))
    return [float(np.sum(dense < rank) + (np.sum(dense == rank) + 1) / 2) for rank in dense]


def steps_to(target: float, steps: Sequence[float], values: Sequence[float], better: str) -> float:
    """The step at which a curve first is as good as `target`, linear between its points; NaN if it never is."""
    sign = 1.0 if better == "lower" else -1.0
    before: tuple[float, float] | None = None
    for step, value in zip(steps, values, strict=True):
        if math.isnan(value):
            continue
        over = sign * (value - target)
        if over <= 0:
            if before is None:
                return float(step)
            last, last_over = before
            return float(last + (step - last) * last_over / (last_over - over))
        before = (step, over)
    return math.nan


def difference(value: float, base: float, better: str) -> float:
    """How much better `value` is than `base`, in % of `base`: positive is better. NaN where that has no meaning."""
    if base == 0:
        return math.nan
    return 100 * (value - base if better == "higher" else base - value) / abs(base)


def shown(value: float, digits: int = 4) -> str:
    """`value` with `digits` significant digits and no exponent where it can be helped; "" for NaN."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    places = digits - 1 - (math.floor(math.log10(abs(value))) if value else 0)
    return f"{value:.{max(places, 0)}f}"
