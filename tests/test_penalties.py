"""Penalties and label smoothing add what their papers say, in training alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F
from toys import Labels, Symbols, network

from bench import penalties
from bench.spec import Stabilisation
from bench.train import evaluate
from tasks.base import IGNORE, Batch


def test_smoothing_is_torchs() -> None:
    """(1 - e) loss + e (cross entropy to all classes) is torch's label_smoothing=e, labels left out included."""
    out = torch.randn(6, 5, 4)
    y = torch.randint(4, (6, 5))
    y[0, :3] = IGNORE
    flat, labels = out.flatten(0, 1), y.flatten()
    mine = 0.9 * F.cross_entropy(flat, labels) + 0.1 * penalties.evenly(out, y)
    torch.testing.assert_close(mine, F.cross_entropy(flat, labels, label_smoothing=0.1))


def test_activation_penalties_are_mean_squares() -> None:
    """AR of the outputs, TAR of their changes, over the steps that exist."""
    states = torch.randn(5, 3, 4)
    assert float(penalties.large(states, None)) == pytest.approx(float(states.square().mean()), rel=1e-5)
    changes = (states[1:] - states[:-1]).square()
    assert float(penalties.restless(states, None)) == pytest.approx(float(changes.mean()), rel=1e-5)
    valid = torch.arange(5).unsqueeze(1) < torch.tensor([5, 2, 1])
    broken = states.clone()
    broken[~valid] = math.nan
    rows = [states[:n, i] for i, n in enumerate((5, 2, 1))]
    assert float(penalties.large(broken, valid)) == pytest.approx(float(torch.cat(rows).square().mean()), rel=1e-5)
    steps = torch.cat([(row[1:] - row[:-1]).square() for row in rows])
    assert float(penalties.restless(broken, valid)) == pytest.approx(float(steps.mean()), rel=1e-5)


@pytest.mark.parametrize("recipe", [Stabilisation(activation_penalty=2.0), Stabilisation(temporal_penalty=1.0)])
def test_training_sees_the_penalty_and_evaluation_does_not(recipe: Stabilisation) -> None:
    """The training loss is larger by the penalty of this network's own states; the scored loss is the task's."""
    task = Symbols()
    model = network(task, recipe=recipe)
    batch: Batch = next(task.train.ordered(4))
    out, _ = model.train()(batch)
    plain = task.loss(out, batch)
    with_it = penalties.loss(model, task, recipe, out, batch)
    raw, dropped = model.top
    expected = 2 * penalties.large(dropped, None) if recipe.activation_penalty else penalties.restless(raw, None)
    torch.testing.assert_close(with_it - plain, expected)
    assert bool(with_it > plain)
    bare = network(task)
    assert evaluate(model, task, task.valid) == evaluate(bare, task, task.valid)


def test_smoothing_changes_the_gradient_and_no_score() -> None:
    """Training aims at less certain answers; evaluation is of the task's own loss."""
    task, recipe = Labels(), Stabilisation(label_smoothing=0.1)
    model = network(task, recipe=recipe)
    batch = next(task.train.ordered(16))
    out, _ = model(batch)
    expected = F.cross_entropy(out, batch.y, label_smoothing=0.1)
    torch.testing.assert_close(penalties.loss(model, task, recipe, out, batch), expected)
