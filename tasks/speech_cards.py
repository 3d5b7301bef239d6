"""The cards of speech recognition. Standard library only."""

from __future__ import annotations

from typing import Literal

from tasks.card import Card, ours

JACKSON = "Jackson et al. 2018, Free Spoken Digit Dataset, doi:10.5281/zenodo.1342401"

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
"""Of the Free Spoken Digit Dataset."""


def _fsdd(name: str, summary: str, metric: str, *more: str) -> Card:
    """`more`: what is cited beside the recordings."""
    better: Literal["lower", "higher"] = "higher" if metric == "accuracy" else "lower"
    return Card(f"speech/{name}", summary, metric, better, "%", JACKSON, dataset="fsdd", cites=("jackson2018", *more))


CARDS: tuple[Card, ...] = (
    ours("speech/digits", "ten spoken digits from a formant synthesiser", "accuracy", "higher", "%", "klatt1980"),
    ours("speech/connected", "strings of synthetic digits, CTC", "wer", "lower", "%", "klatt1980", "graves2006"),
    _fsdd("fsdd", "real spoken digits, official split", "accuracy"),
    *(_fsdd(f"fsdd-speakers/{name}", f"real spoken digits, {name} left out", "accuracy") for name in SPEAKERS),
    _fsdd("fsdd-connected", "strings of 3-7 real digits, CTC", "wer", "graves2006"),
)
