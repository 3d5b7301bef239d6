"""The Mackey-Glass equation, a chaotic series: dx/dt = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x(t).

Mackey & Glass 1977, Science 197:287. No protocol is shared in the literature (step, spacing, noise and horizon all
differ, so published errors cannot be compared); here it is: fourth-order Runge-Kutta at dt = 0.1 from a random
history, the first 1,000 time units dropped, one value every 3 time units, no noise. A window of 32 values looks back
96 time units, about two of the series' oscillations, and the next 28 values, 84 time units as in much of the
literature, are predicted at once.
"""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray

STEP = 0.1
LAG = 170  # steps: a delay of 17
SPACING = 3.0
TRANSIENT = 1_000.0
SEED = 17

BORDERS = (4_000, 4_800, 6_000)  # values at which train, valid and test end
INPUT, HORIZON = 32, 28


def slope(x: float, delayed: float) -> float:
    """dx/dt."""
    # x^10 by multiplication: these operations are exact to the last bit in IEEE arithmetic, which a library's pow is
    # not, and chaos would turn a last bit into another series within a few thousand time units.
    square = delayed * delayed
    fourth = square * square
    return 0.2 * delayed / (1.0 + fourth * fourth * square) - 0.1 * x


def history() -> list[float]:
    """The values from -17 to 0, which the equation leaves open: uniform between 0.9 and 1.1, drawn from the seed."""
    random = Random(SEED)
    return [0.9 + 0.2 * random.random() for _ in range(LAG + 1)]


def integrated(x: list[float], steps: int) -> list[float]:
    """The history `x`, and `steps` steps of Runge-Kutta after it."""
    x = list(x)
    for now in range(LAG, LAG + steps):
        # The delayed value at the middle of the step by cubic interpolation, so that the order stays four.
        before, start, end, after = x[max(now - LAG - 1, 0)], *x[now - LAG : now - LAG + 3]
        middle = (9.0 * (start + end) - (before + after)) / 16.0
        k1 = slope(x[now], start)
        k2 = slope(x[now] + 0.5 * STEP * k1, middle)
        k3 = slope(x[now] + 0.5 * STEP * k2, middle)
        k4 = slope(x[now] + STEP * k3, end)
        x.append(x[now] + STEP / 6.0 * (k1 + 2.0 * (k2 + k3) + k4))
    return x


def values() -> NDArray[np.float64]:
    """(time, 1): the whole series."""
    every, skipped = round(SPACING / STEP), round(TRANSIENT / STEP)
    path = integrated(history(), skipped + every * BORDERS[-1])
    return np.array(path[LAG + 1 + skipped :: every])[:, None]
