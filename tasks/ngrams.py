"""Word-count language models, the answers a recurrent network has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.data.text import Symbols

Probabilities = NDArray[np.float64]

MOST = 10_000_000
"""Symbols of a split that are counted or scored: its first ones. A trigram of more would take gigabytes to count."""
DISCOUNTS = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)


def naive(train: NDArray[Any], valid: NDArray[Any], test: NDArray[Any], size: int, start: int) -> dict[str, float]:
    """Mean nats per test symbol of the unigram and the trigram model of `train`, of the first MOST symbols of each.

    Each order interpolates with the one below it, down to the uniform distribution, by absolute discounting (Ney,
    Essen & Kneser 1994, Computer Speech & Language 8:1): p(w | h) = (max(c(hw) - d, 0) + d n(h) p(w | h')) / c(h),
    n(h) being the number of different words seen after h. The discount of each order is chosen on `valid`.
    """
    train, valid, test = (np.asarray(symbols[:MOST], np.int64) for symbols in (train, valid, test))
    found = {}
    lower = {name: np.full(len(symbols), 1 / size) for name, symbols in (("valid", valid), ("test", test))}
    for order, label in enumerate(("unigram", "bigram", "trigram"), start=1):
        counts = Counts(_codes(train, order, size, start), size)
        terms = {
            "valid": counts.terms(_codes(valid, order, size, start)),
            "test": counts.terms(_codes(test, order, size, start)),
        }
        discount = min(DISCOUNTS, key=lambda d: _nats(_discounted(*terms["valid"], lower["valid"], d)))
        lower = {name: _discounted(*terms[name], lower[name], discount) for name in lower}
        found[label] = _nats(lower["test"])
    return {label: found[label] for label in ("unigram", "trigram")}


class Counts:
    """How often each n-gram and each of its histories occurs."""

    def __init__(self, codes: Symbols, size: int) -> None:
        self.size = size
        self.grams, self.gram_counts = np.unique(codes, return_counts=True)
        self.histories, first, self.types = np.unique(self.grams // size, return_index=True, return_counts=True)
        self.history_counts = np.add.reduceat(self.gram_counts, first)

    def terms(self, codes: Symbols) -> tuple[Symbols, Symbols, Symbols]:
        """For each n-gram: its count, its history's count, and the number of different words after that history."""
        histories = codes // self.size
        return (
            _looked_up(codes, self.grams, self.gram_counts),
            _looked_up(histories, self.histories, self.history_counts),
            _looked_up(histories, self.histories, self.types),
        )


def _looked_up(wanted: Symbols, keys: Symbols, values: Symbols) -> Symbols:
    place = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)


def _codes(symbols: Symbols, order: int, size: int, start: int) -> Symbols:
    """Each symbol with the order - 1 before it as one number, the symbol last."""
    padded = np.concatenate([np.full(order - 1, start), symbols])
    codes = np.zeros(len(symbols), dtype=np.int64)
    for lag in range(order):
        codes = codes * size + padded[lag : lag + len(symbols)]
    return codes


def _discounted(
    count: Symbols, history: Symbols, types: Symbols, lower: Probabilities, discount: float
) -> Probabilities:
    kept = np.maximum(count - discount, 0) + discount * types * lower
    return np.where(history > 0, kept / np.maximum(history, 1), lower)


def _nats(probabilities: Probabilities) -> float:
    return float(-np.log(probabilities).mean())
