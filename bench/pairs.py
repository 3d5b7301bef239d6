"""Steps timed in pairs: rounds of a step, its reference and the reference again, in one process, and what they say.

Within a round the order is drawn at random, so that a neighbour's load falls on all three alike. No torch here.
"""

from __future__ import annotations

import math
import os
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import witness

Step = Callable[[], float]
"""Makes one step and returns its seconds."""

WARM_UP = 2
"""Rounds before the clock starts: allocation, oneDNN's and cuDNN's choice of kernels, compilation and capture."""

QUIET_CONTROL, QUIET_RATIOS = (0.98, 1.02), (0.97, 1.03)
"""Where the reference over itself, and the median of ratios over the ratio of minima, must lie (both ends belong)."""


@dataclass(frozen=True)
class Pairs:
    """What the rounds say of a step. Records hold these fields under the same names."""

    ms: float  # median milliseconds
    ms_min: float
    reference_ms: float  # median of the step it is paired with
    ratio: float  # median of the pairs' ratios
    ratio_low: float  # bootstrap interval of that median, 95 %
    ratio_high: float
    ratio_min: float  # ratio of the two minima
    control: float  # the reference against itself (A/A), median of ratios
    pairs: int
    noisy: bool  # see noisy()
    first_ms: float  # the first call less a steady one: compilation, capture, allocation; no part of ms
    load: float | None  # load average over one minute before the first call
    others: float | None  # share of all processor time that other processes took during the rounds
    steal: float | None  # share of all processor time that the hypervisor gave away
    faults: float | None  # minor page faults a step, over all three


def rounds(count: int, *steps: Step) -> list[tuple[float, ...]]:
    """`count` rounds of one step of each, in a random order within a round; seconds in the order of `steps`."""
    draw = random.Random(0)
    taken = []
    for _ in range(count):
        seconds = [0.0] * len(steps)
        for index in draw.sample(range(len(steps)), len(steps)):
            seconds[index] = steps[index]()
        taken.append(tuple(seconds))
    return taken


def median_interval(values: Sequence[float], repeats: int = 1_000) -> tuple[float, float]:
    """95 % bootstrap interval of the median: of the ratio of many pairs, never of a few seeds."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(repeats))
    return medians[round(0.025 * (repeats - 1))], medians[round(0.975 * (repeats - 1))]


def noisy(control: float, ratio: float, ratio_min: float) -> bool:
    """Whether the control is off by more than 2 %, or the two ratios differ by more than 3 %."""
    quiet = QUIET_CONTROL[0] <= control <= QUIET_CONTROL[1]
    return not (quiet and QUIET_RATIOS[0] <= ratio / ratio_min <= QUIET_RATIOS[1])


def take(subject: Step, other: Step, again: Step, count: int, seconds: float = 0.0) -> Pairs:
    """`count` rounds of a step, its reference, and the reference again (A/A); of short steps more, for `seconds`.

    How many more is settled by the last round of the warm-up, not by what the rounds say.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    warm = rounds(WARM_UP, subject, other, again)
    count = max(count, math.ceil(seconds / sum(warm[-1])))
    begin = witness.read()
    taken = rounds(count, subject, other, again)
    seen = witness.between(begin, witness.read(), steps=3 * count)
    mine, theirs, control = ([round_[i] for round_ in taken] for i in range(3))
    ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
    ratio, ratio_min = statistics.median(ratios), min(mine) / min(theirs)
    low, high = median_interval(ratios)
    against_itself = statistics.median(a / b for a, b in zip(control, theirs, strict=True))
    return Pairs(
        ms=1e3 * statistics.median(mine),
        ms_min=1e3 * min(mine),
        reference_ms=1e3 * statistics.median(theirs),
        ratio=ratio,
        ratio_low=low,
        ratio_high=high,
        ratio_min=ratio_min,
        control=against_itself,
        pairs=count,
        noisy=noisy(against_itself, ratio, ratio_min),
        first_ms=1e3 * (warm[0][0] - statistics.median(mine)),
        load=load,
        others=seen.others,
        steal=seen.steal,
        faults=seen.faults,
    )
