"""Variance explained, against statsmodels and by hand."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from report.effects import REST, effects


def cross() -> pd.DataFrame:
    """A cross of three factors and a block, with an interaction of two."""
    rows = list(product(range(3), range(4), range(2), range(3)))
    table = pd.DataFrame(rows, columns=list("abcs"))
    noise = np.random.default_rng(1).normal(size=len(table))
    return table.assign(y=table["a"] + table["b"] ** 2 / 3 + table["a"] * table["b"] / 4 + table["s"] / 9 + noise)


@pytest.mark.parametrize("kept", [1.0, 0.8])
def test_shares_are_statsmodels(kept: float) -> None:
    """Balanced or not, shares and degrees are those of a type II analysis of variance."""
    table = cross().sample(frac=kept, random_state=0)
    model = ols("y ~ C(s) + C(a) + C(b) + C(c) + C(a):C(b) + C(a):C(c) + C(b):C(c)", table).fit()
    theirs = anova_lm(model, typ=2)
    total = float(((table["y"] - table["y"].mean()) ** 2).sum())
    found = {
        e.term: e
        for e in effects(table["y"].to_list(), {k: table[k].to_list() for k in "abc"}, {"s": table["s"].to_list()})
    }
    names = {":".join(f"C({name})" for name in term): term for term in found if term != REST} | {"Residual": REST}
    for name, row in theirs.iterrows():
        assert found[names[name]].share == pytest.approx(row["sum_sq"] / total)
        assert found[names[name]].degrees == row["df"]


def test_a_balanced_cross_by_hand() -> None:
    """1, 3 and 2, 4, each twice: rows explain 2 of 10, columns 8, nothing is left for the pair; the shares sum to 1."""
    found = effects([1, 3, 2, 4] * 2, {"row": [0, 0, 1, 1] * 2, "column": [0, 1, 0, 1] * 2})
    assert [e.share for e in found] == pytest.approx([0.2, 0.8, 0.0, 0.0])


def test_a_star_shows_no_pair() -> None:
    """Where factors were varied one at a time the pair has no degree of freedom, and no share."""
    found = effects([1.0, 2, 4, 1, 2, 5], {"a": [0, 1, 0] * 2, "b": [0, 0, 1] * 2})
    assert [e.degrees for e in found] == [1, 1, 0, 3]
    assert math.isnan(found[2].share)


def test_nothing_varies() -> None:
    """One level, or the same score everywhere, explains nothing and divides by nothing."""
    assert math.isnan(effects([1.0, 2.0], {"a": [0, 0], "b": [0, 0]})[0].share)
    assert all(math.isnan(e.share) for e in effects([1.0, 1.0], {"a": [0, 1], "b": [0, 1]}))
