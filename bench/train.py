"""update(), fit() and evaluate(): the one loop. Knows values, no names."""

from __future__ import annotations

import copy
import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch

from bench import penalties
from bench.augment import augmented
from bench.averages import Average, scored, settle
from bench.cells import State
from bench.clipping import Clipping
from bench.clock import Stopwatch
from bench.network import Network
from bench.noise import add_to_gradients, noisy_weights
from bench.optimizers import add_l2, shrink
from bench.schedules import Schedule
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
    clip: Clipping,
    step: int = 1,
) -> tuple[bool, list[State]]:
    """Training step `step`, from 1: whether the gradient was clipped, and the hidden state after. Raises Diverged."""
    weights = list(model.parameters())
    batch = augmented(batch, recipe)
    optimizer.zero_grad(set_to_none=True)
    with noisy_weights(weights, recipe.weight_noise):
        out, state = model(batch, state if batch.carried else None)
        loss = penalties.loss(model, task, recipe, out, batch)
        if not loss.isfinite():
            raise Diverged
        loss.backward()
    clipped = clip(weights)
    if recipe.gradient_noise:
        add_to_gradients(weights, recipe.gradient_noise, step)
    if recipe.l2:
        add_l2(model.matrices, recipe.l2)
    if recipe.decay:
        shrink(model.matrices, recipe.decay, optimizer)
    optimizer.step()
    return clipped, state


def evaluate(
    model: Network, task: Task, split: Split, limit: int | None = None, size: int = EVALUATION_BATCH
) -> dict[str, float]:
    """Metrics over a split, each sequence once; about the first `limit` sequences if given, `size` side by side."""
    model.eval()
    device = next(model.parameters()).device
    tally: Counter[str] = Counter()
    state = None
    with torch.inference_mode():
        for batch in split.ordered(size, limit):
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
    saved: int = 0  # updates of the budget that early stopping left out
    averaged_from: int | None = None  # the update after which the scored average of weights begins
    rates: list[float] = field(default_factory=list)  # learning rate of the first update, the highest, and of the last
    seconds: float = 0.0  # without evaluation


def fit(
    model: Network,
    task: Task,
    recipe: Stabilisation,
    optimizer: torch.optim.Optimizer,
    budget: Budget,
    order: torch.Generator,
    schedule: Schedule | None = None,
    average: Average | None = None,
    blind: bool = False,
) -> Fit:
    """Train for `budget.steps` updates, or until validation stops improving if the recipe has patience.

    The model ends with its last weights, or their average; with patience, with those of the lowest validation loss. The
    order of the data comes from `order` alone. Divergence is a finding with a step number, so it returns like any other
    result. `blind` training has no points of the test curve: tuning must not see it.
    """
    device = next(model.parameters()).device
    watch = Stopwatch(device.type)
    result, clip = Fit(), Clipping(recipe)
    best, best_loss, stale, state = None, math.inf, 0, None

    def point(step: int) -> float:
        splits = {"train": task.train, "valid": task.valid} | ({} if blind else {"test": task.test})
        with scored(model, optimizer, average):
            scores = {name: evaluate(model, task, split, budget.curve) for name, split in splits.items()}
        result.curve.append({"step": step, **scores})
        model.train()
        return scores["valid"]["loss"]

    point(0)
    watch.go()
    for step, batch in enumerate(islice(task.train.shuffled(budget.batch, order), budget.steps), 1):
        if schedule is not None:
            schedule.before(step)
        rate = float(optimizer.param_groups[0]["lr"])
        result.rates = [result.rates[0], max(result.rates[1], rate), rate] if result.rates else [rate] * 3
        try:
            clipped, state = update(model, task, recipe, optimizer, batch.to(device), state, clip, step)
        except Diverged:
            result.diverged = step
            break
        result.clipped += clipped
        result.steps = step
        if average is not None:
            average.update(model, step)
        if step % budget.evaluate and step < budget.steps:
            continue

        watch.halt()
        valid_loss = point(step)
        watch.go()
        if not math.isfinite(valid_loss):
            result.diverged = step
            break
        if schedule is not None:
            schedule.observe(valid_loss)
        if average is not None:
            average.observe(valid_loss, step)
        if valid_loss < best_loss:
            best_loss, stale, result.best_step = valid_loss, 0, step
            if recipe.patience is not None:
                with scored(model, optimizer, average):
                    best = copy.deepcopy(model.state_dict())
        else:
            stale += 1
            if recipe.patience is not None and stale >= recipe.patience:
                break
    watch.halt()
    if average is not None and average.count:
        result.averaged_from = average.begin
    if result.diverged is None:
        result.saved = budget.steps - result.steps
        if best is None:
            settle(model, optimizer, average)
        else:
            model.load_state_dict(best)
            result.restored = result.best_step < result.steps
    result.seconds = watch.seconds
    return result
