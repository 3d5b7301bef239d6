"""Time to a target, where some runs never get there: they are censored, not dropped. Plain numbers in and out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Crossing:
    """Where a curve first is as good as a target: between two evaluations. NaN where it never is."""

    step: float  # linear between the two
    after: float  # the evaluation before: not there yet
    by: float  # the evaluation at which it is


@dataclass(frozen=True)
class Survival:
    """A Kaplan-Meier curve: the share not yet there, from each time on until the next."""

    times: tuple[float, ...]
    shares: tuple[float, ...]


NEVER = Crossing(math.nan, math.nan, math.nan)


def crossing(target: float, steps: Sequence[float], values: Sequence[float], better: str) -> Crossing:
    """The first crossing; evaluations without a value are stepped over."""
    sign = 1.0 if better == "lower" else -1.0
    before: tuple[float, float] | None = None
    for step, value in zip(steps, values, strict=True):
        if math.isnan(value):
            continue
        over = sign * (value - target)
        if over <= 0:
            if before is None:
                return Crossing(float(step), float(step), float(step))
            last, last_over = before
            found = last + (step - last) * last_over / (last_over - over) if math.isfinite(last_over) else step
            return Crossing(float(found), float(last), float(step))
        before = (step, over)
    return NEVER


def kaplan_meier(times: Sequence[float], reached: Sequence[bool]) -> Survival:
    """The curve of runs that got there, or were last seen not there, at `times` (Kaplan & Meier 1958)."""
    share, shares = 1.0, []
    moments = sorted({time for time, there in zip(times, reached, strict=True) if there})
    for moment in moments:
        here = sum(time == moment and there for time, there in zip(times, reached, strict=True))
        share *= 1 - here / sum(time >= moment for time in times)  # those last seen at this moment were still at risk
        shares.append(share)
    return Survival(tuple(moments), tuple(shares))


def restricted_mean(curve: Survival, horizon: float) -> float:
    """Mean time to the target when the clock stops at `horizon`: the area under the curve up to there."""
    area, last, share = 0.0, 0.0, 1.0
    for time, after in zip(curve.times, curve.shares, strict=True):
        if time >= horizon:
            break
        area, last, share = area + share * (time - last), time, after
    return area + share * (horizon - last)


def median_time(curve: Survival) -> float:
    """The first time by which half have got there; infinite where half never do."""
    return next((t for t, share in zip(curve.times, curve.shares, strict=True) if share <= 0.5), math.inf)
