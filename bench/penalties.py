"""What is added to a task's loss in training: activation penalties and label smoothing."""

from __future__ import annotations

from torch import Tensor

from bench.network import Network
from bench.sequences import mask
from bench.spec import Stabilisation
from tasks.base import IGNORE, Batch, Task


def loss(model: Network, task: Task, recipe: Stabilisation, out: Tensor, batch: Batch) -> Tensor:
    """The task's loss of a training pass, and what the recipe adds to it, a scalar."""
    found = task.loss(out, batch)
    if recipe.label_smoothing:
        found = (1 - recipe.label_smoothing) * found + recipe.label_smoothing * evenly(out, batch.y)
    if model.top is not None:
        raw, dropped = model.top
        valid = mask(raw, batch.lengths)
        if recipe.activation_penalty:
            found = found + recipe.activation_penalty * large(dropped, valid)
        if recipe.temporal_penalty:
            found = found + recipe.temporal_penalty * restless(raw, valid)
    return model.own.loss(found, model, out, batch)


def evenly(out: Tensor, y: Tensor) -> Tensor:
    """Cross entropy to all classes alike, the mean over the targets (Szegedy et al. 2016).

    (1 - e) times the loss and e times this is the loss to a target with e spread over all classes.
    out: (..., class), y: (...) with IGNORE where there is no target.
    """
    nats = -out.log_softmax(-1).mean(-1)
    return nats[y != IGNORE].mean()


def large(states: Tensor, valid: Tensor | None) -> Tensor:
    """AR of Merity, McCann & Socher 2017: the mean square of the top layer's outputs after dropout.

    states: (time, batch, feature), valid: (time, batch) or None.
    """
    squares = states.square()
    return squares.mean() if valid is None else squares[valid].mean()


def restless(states: Tensor, valid: Tensor | None) -> Tensor:
    """TAR of the same paper: the mean square of what the top layer's outputs change by from step to step."""
    changes = (states[1:] - states[:-1]).square()
    known = changes if valid is None else changes[valid[1:]]
    return known.mean() if len(known) else changes.new_zeros(())
