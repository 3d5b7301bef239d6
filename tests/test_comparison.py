"""Two techniques on one task: every number against a library or by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

from report import comparison

GAINS = np.random.default_rng(7).normal(0.6, 1.0, size=8)


def found_of(gains: np.ndarray) -> comparison.Paired:
    return comparison.paired(list(gains), [0.0] * len(gains), "higher")


def test_seeds_of_both_alone() -> None:
    """Pairs are the seeds that both finished, whatever their order."""
    assert comparison.shared({2: 5.0, 0: 4.0, 7: 9.0}, {0: 1.0, 1: 2.0, 2: 3.0}) == ([4.0, 5.0], [1.0, 3.0])


def test_positive_is_better() -> None:
    """A loss that falls by 1 and an accuracy that rises by 1 both gain 1."""
    assert comparison.paired([1.0, 2.0, 3.5], [2.0, 3.0, 4.5], "lower").gain == 1
    assert comparison.paired([2.0, 3.0, 4.5], [1.0, 2.0, 3.5], "higher").gain == 1


def test_interval_is_the_paired_t() -> None:
    """Gain and half-width are those of scipy's paired t test."""
    theirs = np.random.default_rng(1).normal(size=8)
    found = comparison.paired(list(theirs + GAINS), list(theirs), "higher")
    low, high = stats.ttest_rel(theirs + GAINS, theirs).confidence_interval(0.95)
    assert (found.gain - found.half, found.gain + found.half) == pytest.approx((low, high))


@pytest.mark.parametrize("n", [3, 5, 8])
def test_sign_flip_is_scipys(n: int) -> None:
    """The exact p is that of scipy.stats.permutation_test over all signs."""
    theirs = stats.permutation_test(
        (GAINS[:n],), lambda v, axis: np.abs(v.mean(axis=axis)), permutation_type="samples", n_resamples=np.inf,
        alternative="greater", vectorized=True,
    )  # fmt: skip
    assert comparison.sign_flip(list(GAINS[:n])) == pytest.approx(theirs.pvalue)


def test_sign_flip_by_hand() -> None:
    """1, 2, -1: of eight sums four are at least 2 from 0. Beyond 16 pairs a fixed draw is near the normal limit."""
    assert comparison.sign_flip([1.0, 2.0, -1.0]) == 0.75
    assert comparison.sign_flip([1.0, 2.0, 3.0]) == 0.25
    many = np.random.default_rng(3).normal(0.3, 1.0, size=40)
    assert comparison.sign_flip(list(many)) == pytest.approx(stats.ttest_1samp(many, 0).pvalue, abs=0.01)
    assert comparison.sign_flip(list(1 + np.arange(40.0))) >= comparison.least_p(40) > 0


@pytest.mark.parametrize("n", [3, 4, 5, 9, 12, 16])
def test_the_floor_is_reached_and_not_passed(n: int) -> None:
    """Gains all on one side have the floor for a p, any others more."""
    gains = 1 + np.arange(n) / 7
    assert comparison.sign_flip(list(gains)) == pytest.approx(comparison.least_p(n))
    gains[0] *= -1
    assert comparison.sign_flip(list(gains)) > comparison.least_p(n)


def test_a_tie_within_a_pair_raises_the_floor() -> None:
    """A pair without a difference says nothing: the floor is that of the others."""
    assert found_of(np.array([1.0, 2.0, 0.0, 3.0])).floor == found_of(np.array([1.0, 2.0, 3.0])).floor == 0.25
    assert found_of(np.zeros(5)).floor == found_of(np.zeros(5)).p == 1


def test_holm_is_statsmodels() -> None:
    """Adjusted p are those of statsmodels; one that was not tested stays NaN and does not count."""
    ps = [0.01, 0.04, 0.03, 0.005, 0.5, 0.04]
    assert comparison.holm(ps) == pytest.approx(list(multipletests(ps, method="holm")[1]))
    adjusted = comparison.holm([*ps, math.nan])
    assert adjusted[:-1] == comparison.holm(ps)
    assert math.isnan(adjusted[-1])


def test_no_adjusted_p_is_below_its_adjusted_floor() -> None:
    """Holm of the floors is the least that Holm of any p above them gives."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        floors = rng.uniform(0, 0.2, size=6)
        ps = np.minimum(floors * rng.uniform(1, 5, size=6), 1)
        pairs = zip(comparison.holm(list(ps)), comparison.holm(list(floors)), strict=True)
        assert all(p >= least - 1e-12 for p, least in pairs)


@pytest.mark.parametrize("margin", [0.5, 1.0, 2.0])
def test_equivalence_is_statsmodels(margin: float) -> None:
    """p of both one-sided tests is that of statsmodels' ttost_mean."""
    theirs = DescrStatsW(GAINS).ttost_mean(-margin, margin)[0]
    assert comparison.tost(found_of(GAINS), margin) == pytest.approx(theirs)


def test_margins() -> None:
    """One point of a percentage, 2 % of anything else."""
    assert comparison.margin_of(98.0, "%") == 1
    assert comparison.margin_of(-4.0, "") == 0.08


@pytest.mark.parametrize(("n", "factor"), [(3, 0.5642), (5, 0.7979), (10, 0.9139)])
def test_hedges_by_hand(n: int, factor: float) -> None:
    """Gamma(m / 2) / (sqrt(m / 2) Gamma((m - 1) / 2)) of m = 2, 4, 9: Hedges 1981, table 1."""
    assert comparison.hedges(n) == pytest.approx(factor, abs=2e-4)
    assert found_of(GAINS).effect == pytest.approx(comparison.hedges(8) * GAINS.mean() / GAINS.std(ddof=1))


@pytest.mark.parametrize("effect", [0.2, 0.5, 0.9])
def test_advisor_is_statsmodels(effect: float) -> None:
    """The pairs it asks for have 80 % power by statsmodels' count, and one pair fewer has not."""
    need = comparison.seeds_needed(effect)
    assert need is not None
    power = [TTestPower().power(effect, n, 0.05) for n in (need - 1, need)]
    assert power[0] < 0.8 <= power[1]


def test_advisor_knows_the_floor() -> None:
    """However large the effect: 6 pairs for one comparison, 9 for eleven (2 / 2^9 < 0.05 / 11), 11 for thirty."""
    assert [comparison.seeds_needed(9.0, family) for family in (1, 11, 30)] == [6, 9, 11]
    assert comparison.seeds_needed(0.01) is None
    assert comparison.seeds_needed(math.nan) is None


@pytest.mark.parametrize("gains", [[], [1.0], [1.0, 2.0]])
def test_fewer_than_three_pairs_say_nothing(gains: list[float]) -> None:
    """No interval, no effect, no p, whatever the gain."""
    found = found_of(np.array(gains))
    assert all(math.isnan(value) for value in (found.half, found.effect, found.p))
    assert math.isnan(comparison.tost(found, 1.0))


def test_no_spread_is_no_certainty() -> None:
    """The same gain with every seed has no interval of width 0, no infinite effect, no proof of equivalence."""
    found = found_of(np.full(5, 0.3))
    assert math.isnan(found.half)
    assert math.isnan(found.effect)
    assert math.isnan(comparison.tost(found, 1.0))
    assert found.p == 0.0625
