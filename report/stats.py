"""The arithmetic of every table: intervals over seeds, ranks, differences. Plain numbers in, plain numbers out."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from scipy.special import stdtrit


def t_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Mean and half-width of Student's t interval; the half-width is NaN for fewer than two values, and for equal ones.

    Equal values are a score too coarse to show its spread, not one without any. Not a bootstrap: over 3 to 5 seeds a
    percentile or BCa interval called 95 % covers 70 to 82 %, this one 94 to 95 %.
    """
    if not len(values):
        return math.nan, math.nan
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, math.nan
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    if spread <= 1e-12 * abs(mean):
        return mean, math.nan
    return mean, float(stdtrit(len(values) - 1, 0.5 + level / 2)) * spread


def dense_ranks(keys: Sequence[Hashable]) -> list[int]:
    """1 for each of the smallest keys, 2 for each of the next: equal keys share a rank."""
    order = {key: rank for rank, key in enumerate(sorted(set(keys)), 1)}  # type: ignore[type-var]
    return [order[key] for key in keys]


def average_ranks(keys: Sequence[Hashable]) -> list[float]:
    """Ranks whose sum does not depend on ties (Demsar 2006): rows that tie share the mean of their places."""
    dense = np.asarray(dense_ranks(keys))
    return [float(np.sum(dense < rank) + (np.sum(dense == rank) + 1) / 2) for rank in dense]


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
    rounded = float(f"{value:.{digits - 1}e}")  # 0.99996 with four digits is 1.000
    places = digits - 1 - (math.floor(math.log10(abs(rounded))) if value else 0)
    return f"{value:.{max(places, 0)}f}"


def signed(value: float, digits: int = 3) -> str:
    """A difference with its sign; "" for NaN."""
    return "" if math.isnan(value) else ("+" if value > 0 else "-" if value < 0 else "") + shown(abs(value), digits)
