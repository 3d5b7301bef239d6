"""Two techniques on one task, seed by seed: difference, interval, effect, p and what p can reach, equivalence.

Plain numbers in, plain numbers out. Why each rule is as it is stands in docs/statistics.md.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import gammaln, nctdtr, stdtr, stdtrit

from report.stats import t_interval

ALPHA = 0.05
SEEDS = 3
"""Fewer pairs have no interval and no p: what two differences say of a third is next to nothing."""

EXACT = 16
"""Up to so many pairs every pattern of signs is tried; beyond, 2^16 patterns of a fixed draw stand for all."""

MOST = 1000
"""The advisor counts no further."""


@dataclass(frozen=True)
class Paired:
    """How much better one technique was than another on the seeds of both. NaN: that many pairs cannot say."""

    n: int
    gain: float  # mean of the pairs' differences, in the metric's unit: positive is better
    half: float  # half the 95 % t interval of `gain`
    deviation: float  # standard deviation of the differences
    effect: float  # gain / deviation, corrected for few pairs (Hedges 1981)
    p: float  # of an exact sign-flip permutation test, two-sided
    floor: float  # the smallest p that so many pairs can reach


def shared(ours: Mapping[Hashable, float], theirs: Mapping[Hashable, float]) -> tuple[list[float], list[float]]:
    """The scores of the seeds that both have, in the order of the seeds."""
    both = sorted(set(ours) & set(theirs))  # type: ignore[type-var]
    return [ours[seed] for seed in both], [theirs[seed] for seed in both]


def paired(ours: Sequence[float], theirs: Sequence[float], better: str) -> Paired:
    """The comparison of scores that belong to the same seeds, in the same order."""
    sign = 1.0 if better == "higher" else -1.0
    gains = sign * (np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float))
    n, none = len(gains), math.nan
    if n < SEEDS:
        return Paired(n, float(gains.mean()) if n else none, none, none, none, none, least_p(n))
    gain, half = t_interval(gains.tolist())
    deviation = float(gains.std(ddof=1)) if half > 0 else 0.0
    effect = hedges(n) * gain / deviation if deviation > 0 else none
    return Paired(n, gain, half, deviation, effect, sign_flip(gains.tolist()), least_p(int(np.count_nonzero(gains))))


def hedges(n: int) -> float:
    """The factor that takes the bias from a standardised mean of n differences (Hedges 1981), n - 1 degrees."""
    m = n - 1
    return math.exp(gammaln(m / 2) - gammaln((m - 1) / 2)) / math.sqrt(m / 2)


def sign_flip(gains: Sequence[float]) -> float:
    """p of no difference: how often random signs give a mean as far from 0 as this one, to either side.

    Exact where all patterns are tried (Fisher 1935). No shape of the noise is assumed, only that without a difference
    either technique of a pair could have had either score.
    """
    values = np.asarray(gains, dtype=float)
    sums = np.abs(_signs(len(values)) @ values)
    return float(np.mean(sums >= abs(values.sum()) - 1e-12 * np.abs(values).sum()))


@cache
def _signs(n: int) -> np.ndarray:
    """Patterns of signs, one a row, the observed one (all +) among them: p is never 0 (Phipson & Smyth 2010)."""
    if n <= EXACT:
        return 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    drawn = np.random.default_rng(0).choice([-1.0, 1.0], size=(2**EXACT, n))
    drawn[0] = 1.0
    return drawn


def least_p(n: int) -> float:
    """The smallest two-sided p that n pairs with a difference can reach: all of them on one side, 2 of 2^n patterns."""
    return min(1.0, 2.0 ** (1 - n)) if n <= EXACT else 2.0**-EXACT


def holm(ps: Sequence[float]) -> list[float]:
    """p adjusted for the size of the family (Holm 1979). A NaN was not tested: it stays, and does not count.

    Of the least p that each could reach it gives the least *adjusted* p, for none falls when another rises.
    """
    known = [place for place, p in enumerate(ps) if not math.isnan(p)]
    adjusted, highest = [math.nan] * len(ps), 0.0
    for rank, place in enumerate(sorted(known, key=lambda place: ps[place])):
        highest = max(highest, (len(known) - rank) * ps[place])
        adjusted[place] = min(1.0, highest)
    return adjusted


def tost(found: Paired, margin: float) -> float:
    """p of a difference of at least `margin` to either side: small where the two are equivalent (Schuirmann 1987)."""
    if not found.deviation > 0:
        return math.nan
    error = found.deviation / math.sqrt(found.n)
    return float(max(stdtr(found.n - 1, (side * found.gain - margin) / error) for side in (1, -1)))


def margin_of(base: float, unit: str) -> float:
    """A difference too small to matter: 1 point of a percentage, 2 % of the baseline's mean of anything else."""
    return 1.0 if unit == "%" else 0.02 * abs(base)


def seeds_needed(effect: float, family: int = 1, alpha: float = ALPHA, power: float = 0.8) -> int | None:
    """The pairs at which an effect as large as this one would be marked with `power`; None beyond MOST.

    Bounded from below by the floor of the permutation test, after Holm over a family of that size.
    """
    if math.isnan(effect):
        return None
    first = next(n for n in range(SEEDS, EXACT + 1) if least_p(n) <= alpha / family or n == EXACT)
    counts = range(first, MOST + 1)
    place = bisect_left(counts, power, key=lambda n: power_of(effect, n, alpha / family))
    return counts[place] if place < len(counts) else None


def power_of(effect: float, n: int, alpha: float) -> float:
    """Probability that a two-sided paired t test of n pairs sees a standardised mean difference of `effect`."""
    centre, edge = abs(effect) * math.sqrt(n), stdtrit(n - 1, 1 - alpha / 2)
    if centre > edge + 10:
        return 1.0  # so far out that the distribution has no digits left
    return float(1 - nctdtr(n - 1, centre, edge) + nctdtr(n - 1, centre, -edge))
