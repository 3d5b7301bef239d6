"""Times to a target: crossings by hand, Kaplan-Meier against statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from report.survival import Crossing, crossing, kaplan_meier, median_time, restricted_mean


def test_crossing_by_hand() -> None:
    """From 4 at step 100 to 2 at step 200, 3.5 is passed at step 125; gaps are stepped over; 1 is never reached."""
    steps, values = [0, 100, 150, 200], [10.0, 4.0, math.nan, 2.0]
    assert crossing(3.5, steps, values, "lower") == Crossing(125, 100, 200)
    assert crossing(10.0, steps, values, "lower") == Crossing(0, 0, 0)
    assert crossing(15.0, [0, 10], [10.0, 20.0], "higher") == Crossing(5, 0, 10)
    assert crossing(1.0, [0, 10], [math.inf, 1.0], "lower") == Crossing(10, 0, 10)
    for target in (1.0, math.nan):
        assert math.isnan(crossing(target, steps, values, "lower").step)


def test_curve_is_statsmodels() -> None:
    """Shares and times are those of SurvfuncRight, ties and censoring at the same moment among them."""
    rng = np.random.default_rng(2)
    times = rng.integers(1, 12, size=40).astype(float)
    reached = rng.uniform(size=40) < 0.7
    ours = kaplan_meier(list(times), list(reached))
    theirs = SurvfuncRight(times, reached.astype(int))
    assert ours.times == tuple(theirs.surv_times)
    assert ours.shares == pytest.approx(list(theirs.surv_prob))
    assert median_time(ours) == theirs.quantile(0.5)


def test_restricted_mean_by_hand() -> None:
    """Of 1, 2 and one never, until 4: 1 + 2/3 + 2 * 1/3 = 7/3 = (1 + 2 + 4) / 3. Without censoring it is the mean."""
    curve = kaplan_meier([1.0, 2.0, 4.0], [True, True, False])
    assert restricted_mean(curve, 4.0) == pytest.approx(7 / 3)
    assert restricted_mean(curve, 1.5) == pytest.approx((1 + 1.5 + 1.5) / 3)
    assert restricted_mean(kaplan_meier([3.0, 5.0], [True, True]), 9.0) == pytest.approx(4.0)


def test_cut_off_is_not_never() -> None:
    """A run cut off at 1 hands its share to those still watched: 1, then 1/2 at 2, to 4: 2 + 2 / 2 = 3."""
    curve = kaplan_meier([1.0, 2.0, 4.0], [False, True, False])
    assert curve.shares == (0.5,)
    assert restricted_mean(curve, 4.0) == pytest.approx(3.0)


def test_nobody_gets_there() -> None:
    """The share stays 1, the median is infinite, the restricted mean is the horizon."""
    curve = kaplan_meier([4.0, 4.0], [False, False])
    assert curve.times == ()
    assert math.isinf(median_time(curve))
    assert restricted_mean(curve, 4.0) == 4
