"""How much of the variance of a score each factor explains, and each pair of factors. Plain numbers in and out."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpstrf

REST = ("rest",)
Term = tuple[str, ...]


@dataclass(frozen=True)
class Effect:
    """One factor, a pair of factors beyond what each does alone, or what no term explains."""

    term: Term
    degrees: int  # 0: these runs cannot show it
    share: float  # of the total sum of squares; NaN where they cannot


def effects(
    scores: Sequence[float],
    factors: Mapping[str, Sequence[Hashable]],
    blocks: Mapping[str, Sequence[Hashable]] | None = None,
) -> list[Effect]:
    """Type II sums of squares over the total: of each factor, each pair, each block, and what is left.

    A term is what it adds to a model of all terms that do not contain it (Langsrud 2003). In a balanced cross these
    are the classical parts of variance and sum to 1; where factors were varied one at a time no pair can be seen. A
    block, such as the seed, makes no pairs.
    """
    count = len(scores)
    terms: dict[Term, np.ndarray] = {(name,): _indicators(levels) for name, levels in factors.items()}
    for one, two in combinations(factors, 2):
        terms[one, two] = _indicators(list(zip(factors[one], factors[two], strict=True)))
    terms |= {(name,): _indicators(levels) for name, levels in (blocks or {}).items()}
    design = np.column_stack([np.ones((count, 1)), *terms.values()])
    owner = np.repeat(np.arange(len(terms) + 1), [1, *(part.shape[1] for part in terms.values())])
    values = np.asarray(scores, dtype=float) - np.mean(scores if count else 0.0)
    total = float(values @ values)
    products, sums = design.T @ design, design.T @ values

    def explained(kept: set[int]) -> tuple[float, int]:
        """The sum of squares and the rank of the model with these terms."""
        here = np.flatnonzero(np.isin(owner, [0, *kept]))
        inner = products[np.ix_(here, here)]
        # Cholesky with pivots leaves out the columns that others already span, ten times sooner than eigenvectors do
        factor, pivots, rank, _ = dpstrf(inner, lower=1, tol=1e-9 * max(float(inner.max()), 1.0))
        real = slice(0, rank)
        parts = solve_triangular(np.tril(factor[real, real]), sums[here[pivots - 1]][real], lower=True)
        return float(parts @ parts), int(rank)

    found = []
    for term in terms:
        without = {place for place, other in enumerate(terms, 1) if not set(term) <= set(other)}
        place = list(terms).index(term) + 1
        (less, rank), (more, higher) = explained(without), explained({*without, place})
        found.append(Effect(term, higher - rank, _share(more - less, total) if higher > rank else math.nan))
    whole, rank = explained(set(range(1, len(terms) + 1)))
    return [*found, Effect(REST, count - rank, _share(total - whole, total))]


def _share(part: float, total: float) -> float:
    return min(max(part / total, 0.0), 1.0) if total > 0 else math.nan


def _indicators(levels: Sequence[Hashable]) -> np.ndarray:
    """One column a level, the first left out."""
    known = {level: place for place, level in enumerate(sorted(set(levels), key=str))}
    return np.eye(max(len(known), 1))[[known[level] for level in levels], 1:].reshape(len(levels), -1)
