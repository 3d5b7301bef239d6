"""update(), fit() and evaluate(): the one loop. Knows values, no names."""

from __future__ import annotations

import copy
import math
from collections import Counter
from itertools import islice

import torch

from bench import penalties
from bench.augment import augmented
from bench.averages import Average, scored, settle
from bench.cells import State
from bench.checkpoint import Keeper
from bench.clipping import Clipping
from bench.clock import Stopwatch
from bench.network import Network
from bench.noise import add_to_gradients, noisy_weights
from bench.optimizers import add_l2, shrink
from bench.schedules import Schedule
from bench.spec import Budget, Stabilisation
from bench.training import Fit, Training
from tasks.base import Batch, Split, Task

EVALUATION_BATCH = 128
"""Sequences side by side in evaluation: a matter of speed alone, no metric depends on it."""
NOWHERE = Keeper()
"""Keeps nothing."""


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
    batch = model.own.batch(augmented(batch, recipe))
    optimizer.zero_grad(set_to_none=True)
    with noisy_weights(weights, recipe.weight_noise):
        out, state = model(batch, state if batch.carried else None)
        loss = penalties.loss(model, task, recipe, out, batch)
        if not loss.isfinite():
            raise Diverged
        loss.backward()
    model.own.gradients(weights, step)
    clipped = clip(weights)
    if recipe.gradient_noise:
        add_to_gradients(weights, recipe.gradient_noise, step)
    if recipe.l2:
        add_l2(model.matrices, recipe.l2)
    if recipe.decay:
        shrink(model.matrices, recipe.decay, optimizer)
    optimizer.step()
    model.own.after(model, step)
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
    keeper: Keeper = NOWHERE,
) -> Fit:
    """Train for `budget.steps` updates, or until validation stops improving if the recipe has patience.

    The model ends with its last weights, or their average; with patience, with those of the lowest validation loss. The
    order of the data comes from `order` alone. Divergence is a finding with a step number, so it returns like any other
    result. `blind` training has no points of the test curve: tuning must not see it. A run that `keeper` kept goes on
    from there, as if it had never stopped.
    """
    device = next(model.parameters()).device
    now = Training(model, optimizer, schedule, average, Clipping(recipe), Stopwatch(device.type))
    keeper.resume(now)
    result, watch = now.result, now.watch

    def point(step: int) -> float:
        splits = {"train": task.train, "valid": task.valid} | ({} if blind else {"test": task.test})
        with scored(model, optimizer, average):
            scores = {name: evaluate(model, task, split, budget.curve) for name, split in splits.items()}
        result.curve.append({"step": step, **scores})
        model.train()
        return scores["valid"]["loss"]

    if not result.curve:
        point(0)
    watch.go()
    batches = islice(task.train.shuffled(budget.batch, order), result.steps, budget.steps)
    for step, batch in enumerate(batches, result.steps + 1):
        keeper.keep(now)
        if schedule is not None:
            schedule.before(step)
        rate = float(optimizer.param_groups[0]["lr"])
        result.rates = [result.rates[0], max(result.rates[1], rate), rate] if result.rates else [rate] * 3
        try:
            clipped, now.state = update(model, task, recipe, optimizer, batch.to(device), now.state, now.clip, step)
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
        if valid_loss < now.best_loss:
            now.best_loss, now.stale, result.best_step = valid_loss, 0, step
            if recipe.patience is not None:
                with scored(model, optimizer, average):
                    now.best = copy.deepcopy(model.state_dict())
        else:
            now.stale += 1
            if recipe.patience is not None and now.stale >= recipe.patience:
                break
    watch.halt()
    if average is not None and average.count:
        result.averaged_from = average.begin
    if result.diverged is None:
        result.saved = budget.steps - result.steps
        if now.best is None:
            settle(model, optimizer, average)
        else:
            model.load_state_dict(now.best)
            result.restored = result.best_step < result.steps
    result.seconds = watch.seconds
    return result
