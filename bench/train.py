"""update(), fit() and evaluate(): the one loop. Knows values, no names."""

from __future__ import annotations

import copy
import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm

from bench.cells import State
from bench.clock import Stopwatch
from bench.network import Network
from bench.optimizers import add_l2
from bench.spec import Budget, Stabilisation
from tasks.base import Batch, Split, Task

EVALUATION_BATCH = 128
"""Sequences side by side in evaluation: a matter of speed alone, no metric depends on it."""


class Diverged(ArithmeticError):
    """The loss is not finite."""


def update(
    model: Network,
    task: Task,
    recipe: Stabilisation,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    state: list[State] | None,
) -> tuple[bool, list[State]]:
    """One training step: whether the gradient was clipped, and the hidden state after it. Raises Diverged."""
    out, state = model(batch, state if batch.carried else None)
    loss = task.loss(out, batch)
    if not loss.isfinite():
        raise Diverged
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    clipped = False
    if recipe.clip_norm is not None:
        norm = clip_grad_norm_(model.parameters(), recipe.clip_norm)
        clipped |= bool(norm > recipe.clip_norm)
    if recipe.clip_value is not None:
        largest = get_total_norm([w.grad for w in model.parameters() if w.grad is not None], math.inf)
        clipped |= bool(largest > recipe.clip_value)
        clip_grad_value_(model.parameters(), recipe.clip_value)
    if recipe.l2:
        add_l2(model.matrices, recipe.l2)
    optimizer.step()
    return clipped, state


def evaluate(model: Network, task: Task, split: Split, limit: int | None = None) -> dict[str, float]:
    """Metrics over a split, each sequence once; about the first `limit` sequences if given."""
    model.eval()
    device = next(model.parameters()).device
    tally: Counter[str] = Counter()
    state = None
    with torch.inference_mode():
        for batch in split.ordered(EVALUATION_BATCH, limit):
            batch = batch.to(device)
            out, state = model(batch, state if batch.carried else None)
            tally.update(task.tally(out, batch))
    return task.metrics(dict(tally))


@dataclass
class Fit:
    """What training did."""

    curve: list[dict[str, Any]] = field(default_factory=list)  # {"step", "train", "valid", "test": {metric: value}}
    steps: int = 0
    best_step: int = 0  # the point of the curve with the lowest validation loss
    diverged: int | None = None  # the update whose loss was not finite
    restored: bool = False  # the weights are those of best_step, not the last ones
    clipped: int = 0  # updates whose gradient was clipped
    seconds: float = 0.0  # without evaluation


def fit(
    model: Network,
    task: Task,
    recipe: Stabilisation,
    optimizer: torch.optim.Optimizer,
    budget: Budget,
    order: torch.Generator,
) -> Fit:
    """Train for `budget.steps` updates, or until validation stops improving if the recipe has patience.

    The model ends with its last weights; with patience, with those of the lowest validation loss. The order of the data
    comes from `order` alone. Divergence is a finding with a step number, so it returns like any other result.
    """
    device = next(model.parameters()).device
    watch = Stopwatch(device.type)
    result = Fit()
    best, best_loss, stale, state = None, math.inf, 0, None

    def point(step: int) -> float:
        splits = {"train": task.train, "valid": task.valid, "test": task.test}
        scores = {name: evaluate(model, task, split, budget.curve) for name, split in splits.items()}
        result.curve.append({"step": step, **scores})
        model.train()
        return scores["valid"]["loss"]

    point(0)
    watch.go()
    for step, batch in enumerate(islice(task.train.shuffled(budget.batch, order), budget.steps), 1):
        try:
            clipped, state = update(model, task, recipe, optimizer, batch.to(device), state)
        except Diverged:
            result.diverged = step
            break
        result.clipped += clipped
        result.steps = step
        if step % budget.evaluate and step < budget.steps:
            continue

        watch.halt()
        valid_loss = point(step)
        watch.go()
        if not math.isfinite(valid_loss):
            result.diverged = step
            break
        if valid_loss < best_loss:
            best_loss, stale, result.best_step = valid_loss, 0, step
            if recipe.patience is not None:
                best = copy.deepcopy(model.state_dict())
        else:
            stale += 1
            if recipe.patience is not None and stale >= recipe.patience:
                break
    watch.halt()
    if best is not None and result.diverged is None:
        model.load_state_dict(best)
        result.restored = result.best_step < result.steps
    result.seconds = watch.seconds
    return result
