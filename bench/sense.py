"""Which techniques make no sense together, or on a task, and why. Standard library only."""

from __future__ import annotations

from bench.spec import Architecture, Stabilisation
from tasks.cards import Card

FORGETFUL = ("lstm", "peephole", "gru")
"""Cells with a gate that decides what is forgotten."""

CLASSES = ("accuracy", "perplexity", "bpc")
"""Metrics of tasks whose targets are single classes."""


def nonsense(architecture: Architecture, recipe: Stabilisation, card: Card) -> str | None:
    """Why a run of these on this task would mean nothing; None where it means something."""
    if architecture.bidirectional and card.causal:
        return "a bidirectional network would see the symbols it has to predict"
    if architecture.bidirectional and recipe.bptt is not None:
        return "truncation cuts the past, and the second direction reads the future"
    if (recipe.tied or recipe.embedding_dropout) and card.family != "language":
        return "the inputs are no symbols, so there is no embedding"
    if recipe.label_smoothing and card.metric not in CLASSES:
        return "the targets are no single classes, so there is nothing to smooth"
    if recipe.spec_augment and card.family != "speech":
        return "the inputs are no spectrograms"
    if (recipe.jitter or recipe.scaling) and card.family != "series":
        return "the inputs are no values of a series"
    if (recipe.chrono or recipe.forget_bias is not None) and architecture.cell not in FORGETFUL:
        return f"the cell {architecture.cell} has no forget gate"
    return None
