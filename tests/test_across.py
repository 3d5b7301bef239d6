"""Techniques over several tasks, against published worked examples and libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scikit_posthocs
from scipy import stats

from report import across

INF = math.inf

DEMSAR = np.array([
    [4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1], [1, 2.5, 4, 2.5], [3, 2, 4, 1],
    [2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5, 2.5, 2.5, 2.5], [4, 2.5, 1, 2.5], [3, 2, 4, 1], [4, 1, 2, 3], [3, 1, 4, 2],
])  # fmt: skip
"""Ranks of four variants of C4.5 on fourteen data sets: Demsar 2006, table 6."""


def test_demsar_2006() -> None:
    """His mean ranks, his Friedman statistic 9.28 (which makes no allowance for ties), his critical difference 1.25."""
    found = across.friedman(DEMSAR)
    assert found.ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=5e-4)
    assert found.critical == pytest.approx(1.25, abs=0.005)
    tied = float(np.sum((DEMSAR - 2.5) ** 2)) / (14 * 5)  # 1 without ties
    assert found.statistic * tied == pytest.approx(9.28, abs=0.005)


def test_friedman_is_scipys() -> None:
    """Statistic and p are those of scipy, which allows for ties."""
    found, theirs = across.friedman(DEMSAR), stats.friedmanchisquare(*DEMSAR.T)
    assert (found.statistic, found.p) == pytest.approx((theirs.statistic, theirs.pvalue))


@pytest.mark.parametrize(("techniques", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (7, 2.949), (10, 3.164)])
def test_critical_values_of_table_5(techniques: int, q: float) -> None:
    """q at 0.05 as in Demsar 2006, table 5a."""
    unit = math.sqrt(techniques * (techniques + 1) / 6)
    assert across.critical_difference(techniques, 1) / unit == pytest.approx(q, abs=2e-3)


def test_critical_difference_is_where_scikit_posthocs_has_its_alpha() -> None:
    """Mean ranks differ by more than the critical difference where Nemenyi's p of scikit-posthocs is below alpha."""
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(12, 5)) + np.arange(5) * 0.7
    ranks = np.array([stats.rankdata(row) for row in scores])
    found, ps = across.friedman(ranks), scikit_posthocs.posthoc_nemenyi_friedman(scores).to_numpy()
    for i in range(5):
        for j in range(5):
            assert (abs(found.ranks[i] - found.ranks[j]) > found.critical) == (ps[i, j] < 0.05)
    assert 0 < (ps < 0.05).sum() < 20


def test_ties_everywhere_have_no_p() -> None:
    """Where all techniques tie on all tasks there is no p."""
    assert math.isnan(across.friedman(np.full((3, 4), 2.5)).p)


def test_bars_of_the_diagram() -> None:
    """Bars are the longest stretches without a critical difference; none lies within another; one alone has none."""
    assert across.not_separated([1.0, 2.0, 3.0, 6.0], 2.5) == [(1.0, 3.0)]
    assert across.not_separated([1.0, 2.0, 3.0, 4.0], 2.5) == [(1.0, 3.0), (2.0, 4.0)]
    assert across.not_separated([1.0, 4.0, 4.0], 2.0) == []


TIMES = np.array([[1.0, 2.0, INF], [3.0, 3.0, 12.0], [INF, INF, INF], [2.0, 1.0, 3.0]])


def test_profile_by_hand() -> None:
    """Shares of four tasks done within 1, 2 and 4 times the best; a task that nobody does counts for nobody."""
    assert across.profile(TIMES, [1, 2, 4]).tolist() == [[0.5, 0.5, 0.0], [0.75, 0.75, 0.0], [0.75, 0.75, 0.5]]


def test_algoperf_is_the_integral_of_the_profile() -> None:
    """The score is the area under the profile from 1 to 4, over 3: by hand, and by the trapezoid rule."""
    score = across.algoperf(TIMES)
    assert score == pytest.approx([(3 + 3 + 2) / 12, (2 + 3 + 3) / 12, (0 + 0 + 1) / 12])
    taus = np.linspace(1, 4, 30001)
    assert score == pytest.approx((np.trapezoid(across.profile(TIMES, taus), taus, axis=0) / 3).tolist(), abs=1e-4)
    assert across.algoperf(np.array([[1.0, 9.0], [5.0, INF]])) == [1.0, 0.0]


@pytest.mark.parametrize("n", [1, 3, 4, 7, 12, 30])
def test_iqm_is_scipys(n: int) -> None:
    """The interquartile mean is scipy's mean trimmed by a quarter at either end."""
    values = np.random.default_rng(n).normal(size=n)
    assert across.iqm(list(values)) == pytest.approx(stats.trim_mean(values, 0.25))


def test_improvement_is_mann_whitney() -> None:
    """Within a task it is U / (n m) of scipy's, over tasks their mean; lower may be better; no score loses."""
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 9, size=(2, 7)).astype(float)
    c, d = rng.normal(size=(2, 5))
    us = [stats.mannwhitneyu(a, b).statistic / 49, 1 - stats.mannwhitneyu(c, d).statistic / 25]
    assert across.improvement([a, c], [b, d], ["higher", "lower"]) == pytest.approx(np.mean(us))
    assert across.improvement([[math.nan, 3.0]], [[1.0, 2.0]], ["lower"]) == 0
