"""A seasonal series with trend and regime change, generated: three variates that share a hidden regime.

Each variate is the sum of a short season (12 steps), a long one (48 steps), a slow linear trend, a level and noise.
The regime is a two-state Markov chain with a mean stay of 150 steps. It decides the short season's shape (a plain
wave, or a narrow peak half a period later), the size of the long season and whether the level rises or falls. A
linear forecast has to serve both regimes with one set of weights; a network can read the regime from its window.
"""

from __future__ import annotations

import math
from random import Random

import numpy as np
from numpy.typing import NDArray

SHORT, LONG = 12, 48
STAY = 150
NOISE = 0.15
TREND = 0.5  # rise over the whole series, in the unit of the seasons' amplitude
SEED = 23

BORDERS = (4_000, 4_800, 6_000)  # steps at which train, valid and test end
INPUT, HORIZON = 48, 24

VARIATES = ((1.0, 0.6, 0.0), (0.7, -0.8, 0.3), (0.5, 1.0, 0.6))  # short amplitude, long amplitude, lag in short periods


def values() -> NDArray[np.float64]:
    """(time, 3): the whole series, rounded to 1e-5 so that no difference between sine routines shows."""
    random = Random(SEED)
    rows, regime, level = [], 0, 0.0
    for time in range(BORDERS[-1]):
        if random.random() < 1 / STAY:
            regime = 1 - regime
        # The level moves towards +1 or -1, fast after a change and slower later, and so stays bounded.
        level += 0.01 * ((1.0 if regime else -1.0) - level)
        long = (0.4 if regime else 1.0) * math.sin(2 * math.pi * time / LONG)
        slow = TREND * time / BORDERS[-1]
        rows.append(
            [
                short_size * _short(time / SHORT + lag, regime) + long_size * long + slow + level
                + NOISE * (sum(random.random() for _ in range(12)) - 6.0)  # nearly normal, from sums alone
                for short_size, long_size, lag in VARIATES
            ]
        )  # fmt: skip
    return np.array(rows).round(5)


def _short(phase: float, regime: int) -> float:
    """The short season at a phase in periods: a wave, or a narrow peak half a period later."""
    angle = 2 * math.pi * phase
    if regime == 0:
        return math.sin(angle)
    return 2.0 * math.exp(-4.0 * (1.0 + math.sin(angle))) - 0.5
