"""Which techniques make no sense together, or on a task, and why. Standard library only."""

from __future__ import annotations

from typing import get_args

from bench.spec import Architecture, Reference, Stabilisation, changed
from tasks.cards import Card

FORGETFUL = ["lstm", "peephole", "cifg", "projection", "slstm", "gru", "mingru", "minlstm"]
"""Cells with a gate that decides what is forgotten, those of plug-ins after ours."""

MEMORYLESS = ("mingru", "minlstm")
"""Cells whose gates read the input alone."""

RECURRENT = (
    *("batch_norm", "layer_norm", "weight_norm", "activation", "initial", "forget_bias", "chrono", "bptt"),
    *("recurrent_dropout", "zoneout", "zoneout_memory", "weight_drop", "activation_penalty", "temporal_penalty"),
)
"""Fields that change a recurrent layer, or what is said of its states, and nothing else."""

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
    return _misfit(architecture.cell, recipe)


def _misfit(cell: str, recipe: Stabilisation) -> str | None:
    """Why this cell has nothing that a field of the recipe could change."""
    if cell in get_args(Reference) and any(name in RECURRENT for name in changed(recipe)):
        return f"the reference model {cell} has no recurrence"
    if cell in MEMORYLESS and (recipe.weight_drop or recipe.batch_norm == "recurrent" or recipe.initial != "uniform"):
        return f"the gates of {cell} do not read the state, so there is no recurrent matrix"
    if cell == "indrnn" and recipe.initial != "uniform":
        return "the recurrent weight of indrnn is no matrix: one number a unit"
    if cell == "irnn" and recipe.initial == "identity":
        return "irnn begins from the identity as it is"
    if cell == "slstm" and recipe.zoneout_memory:
        return "the memory of slstm has a scale that changes at each step: old and new cannot be mixed"
    return None
