"""The cards of the tests of memory. Standard library only."""

from __future__ import annotations

import math
from dataclasses import replace

from tasks.card import Card

HOCHREITER = "Hochreiter & Schmidhuber 1997, adding problem; values in [0, 1] as Le et al. 2015, arXiv:1504.00941"
ARJOVSKY = "copy memory of Hochreiter & Schmidhuber 1997 as Arjovsky, Shah & Bengio 2016, arXiv:1511.06464"

LENGTHS = (50, 100, 150, 200, 300, 400, 500, 750, 1000)
"""Time steps over which the memory tasks ask for something to be kept."""


def without_memory(name: str) -> float:
    """What a memory task scores where nothing is kept, by arithmetic.

    Adding: 1, the mean of the sum, is off by the variance of two uniform values, 1/6 (Bai, Kolter & Koltun 2018,
    arXiv:1803.01271, print 0.1767). Copy: ten symbols of eight are
    guessed, all the others are known: 10 ln 8 / (T + 20) nats a step (Arjovsky, Shah & Bengio 2016).
    """
    _, kind, length = name.split("/")
    return 1 / 6 if kind == "adding" else 10 * math.log(8) / (int(length) + 20)


SOLVED = {"adding": 0.1, "copy": 0.5}
"""Below which share of `without_memory` a memory task counts as solved, on test.

Adding: a network that lost the far value is off by 1/12, half the baseline, so a tenth needs both. Copy: half of the
nats are five of the ten symbols; the rest come slowly, and the line should measure memory, not patience.
"""


def _memory(kind: str, length: int) -> Card:
    name = f"memory/{kind}/{length}"
    if kind == "adding":
        card = Card(name, f"sum of two marked values of {length}", "mse", "lower", "", HOCHREITER)
        cites = ("hochreiter1997", "le2015")
    else:
        card = Card(name, f"ten symbols after {length} blanks", "nats", "lower", "nat", ARJOVSKY, causal=True)
        cites = ("hochreiter1997", "arjovsky2016")
    return replace(card, solved=without_memory(name) * SOLVED[kind], cites=cites)


CARDS: tuple[Card, ...] = tuple(_memory(kind, length) for kind in ("adding", "copy") for length in LENGTHS)
