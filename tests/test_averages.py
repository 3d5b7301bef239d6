"""Averaged weights are what is scored; training goes on from the raw ones."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from toys import Labels, network

from bench import averages, noise
from bench.averages import Average, scored
from bench.axes import OPTIMIZERS
from bench.optimizers import build
from bench.rng import stream
from bench.spec import Budget, Optimizer, Stabilisation
from bench.train import evaluate, fit
from tasks.base import Sequences

SGD = Optimizer("sgd", lr=0.1)
BUDGET = Budget(parameters=1_000, batch=16, steps=12, evaluate=4, curve=48, seconds=60)


def walk(average: Average, values: list[float]) -> nn.Linear:
    model = nn.Linear(1, 1)
    for step, value in enumerate(values, 1):
        nn.init.constant_(model.weight, value)
        average.update(model, step)
    return model


def test_an_exponential_average_by_hand() -> None:
    """Early updates make a short average; later ones weigh 1 - decay."""
    average = Average(0.5, 0)
    walk(average, [1.0, 2.0, 3.0, 4.0])
    expected = 1.0
    for count, value in enumerate((2.0, 3.0, 4.0), 2):
        keep = min(0.5, count / (count + 9))
        expected = keep * expected + (1 - keep) * value
    assert float(average.values["weight"]) == pytest.approx(expected)


def test_swa_is_the_plain_mean_of_the_end() -> None:
    """The weights after the beginning count alike, those before not at all."""
    average = averages.build(Stabilisation(swa=0.5), SGD, 6)
    walk(average, [100.0, 100.0, 100.0, 1.0, 2.0, 6.0])
    assert float(average.values["weight"]) == pytest.approx(3.0)


def test_asgd_begins_when_validation_has_stopped_improving() -> None:
    """The trigger of Merity et al.: no loss of the last n is below the best before them."""
    average = averages.build(Stabilisation(), OPTIMIZERS["nt-asgd"], 100)
    assert average.nonmono == 5
    for step, loss in enumerate((5.0, 4.0, 3.0, 2.0, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5), 1):
        average.observe(loss, step)
        assert average.begin is None
    average.observe(1.5, 11)  # the best, 1.0, is five evaluations old, and no later one is below it
    assert average.begin == 11
    average.observe(9.0, 12)
    assert average.begin == 11


@pytest.mark.parametrize("recipe", [Stabilisation(ema=0.5), Stabilisation(swa=0.5)])
def test_the_average_is_what_is_scored(recipe: Stabilisation) -> None:
    """The last point of the curve is the score of the model that fit() leaves, which is no raw weight."""
    task = Labels()
    runs = []
    for wanted in (recipe, Stabilisation()):
        model = network(task, recipe=recipe)
        average = averages.build(wanted, SGD, BUDGET.steps)
        result = fit(model, task, recipe, build(SGD, model.parameters()), BUDGET, stream(0, "order"), average=average)
        runs.append((model, result))
    (averaged, result), (raw, plain) = runs
    assert evaluate(averaged, task, task.valid, BUDGET.curve) == result.curve[-1]["valid"]
    assert any(not torch.equal(a, b) for a, b in zip(averaged.parameters(), raw.parameters(), strict=True))
    assert result.curve[-1] != plain.curve[-1]
    assert (result.averaged_from, plain.averaged_from) == (0 if recipe.ema else 6, None)


def test_training_goes_on_from_the_raw_weights() -> None:
    """Inside `scored` the average stands in the model; afterwards the raw weights are there, bit for bit."""
    average = Average(None, 0)
    model = walk(average, [1.0, 5.0])
    with scored(model, build(SGD, model.parameters()), average):
        assert model.weight.item() == 3.0
    assert model.weight.item() == 5.0


def test_schedule_free_is_scored_at_its_average() -> None:
    """fit() leaves the averaged weights of a schedule-free rule, not those where gradients are taken."""
    task = Labels()
    model = network(task)
    optimizer = build(OPTIMIZERS["schedule-free"], model.parameters())
    result = fit(model, task, Stabilisation(), optimizer, BUDGET, stream(0, "order"))
    assert evaluate(model, task, task.valid, BUDGET.curve) == result.curve[-1]["valid"]


@pytest.mark.parametrize(
    ("recipe", "rule"),
    [
        (Stabilisation(ema=0.9), SGD),
        (Stabilisation(swa=0.25, batch_norm="recurrent"), SGD),
        (Stabilisation(), OPTIMIZERS["schedule-free"]),
    ],
)
def test_scoring_changes_nothing_in_training(recipe: Stabilisation, rule: Optimizer) -> None:
    """Scored after every update or at the end alone: the same weights, bit for bit."""
    ends = []
    for every in (1, BUDGET.steps):
        task = Labels()
        model = network(task, recipe=recipe)
        optimizer, average = build(rule, model.parameters()), averages.build(recipe, rule, BUDGET.steps)
        order, budget = stream(0, "order"), replace(BUDGET, evaluate=every)
        fit(model, task, recipe, optimizer, budget, order, average=average)
        ends.append(model.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


class Overfitted(Labels):
    """Validation labels are the wrong ones: the longer the training, the worse."""

    def __init__(self) -> None:
        super().__init__()
        self.valid = Sequences(self.valid.x, 1 - self.valid.y, self.valid.lengths)


def test_asgd_leaves_the_mean_of_the_updates_since_it_began() -> None:
    """Its past was better than any loss can be, so it begins at the first evaluation, after update 4: what is left is
    the mean of the weights after updates 5 and 6."""
    task, weights = Labels(), []
    for steps in (5, 6):
        model = network(task)
        budget = replace(BUDGET, steps=steps)
        fit(model, task, Stabilisation(), build(SGD, model.parameters()), budget, stream(0, "order"))
        weights.append(list(model.parameters()))
    model, average = network(task), Average(None, None, 1, losses=[-1.0, -1.0])
    optimizer, budget = build(SGD, model.parameters()), replace(BUDGET, steps=6)
    result = fit(model, task, Stabilisation(), optimizer, budget, stream(0, "order"), average=average)
    assert result.averaged_from == 4
    for mine, fifth, sixth in zip(model.parameters(), *weights, strict=True):
        torch.testing.assert_close(mine, (fifth + sixth) / 2)


def test_early_stopping_keeps_the_average_it_scored() -> None:
    """With patience the restored weights are the averaged ones that had the lowest validation loss."""
    task, recipe = Overfitted(), Stabilisation(ema=0.9, patience=2)
    model = network(task, recipe=recipe)
    average = averages.build(recipe, SGD, BUDGET.steps)
    optimizer, budget = build(SGD, model.parameters()), replace(BUDGET, evaluate=1)
    result = fit(model, task, recipe, optimizer, budget, stream(0, "order"), average=average)
    assert result.restored
    assert result.saved == BUDGET.steps - result.steps == BUDGET.steps - result.best_step - 2
    best = next(point for point in result.curve if point["step"] == result.best_step)
    assert evaluate(model, task, task.valid, BUDGET.curve) == best["valid"]


def test_population_statistics_belong_to_the_average() -> None:
    """Means and variances of batch normalisation are averaged with the weights; what is counted is the last count."""
    model = network(Labels(), recipe=Stabilisation(batch_norm="input"))
    norm, average = model.cells[0].input_norm, Average(None, 0)
    for step, value in enumerate((1.0, 4.0), 1):
        norm.mean.fill_(value)
        norm.remember(step)
        average.update(model, step)
    with scored(model, build(SGD, model.parameters()), average):
        assert float(norm.mean.flatten()[0]) == 2.5
        assert norm.steps_seen == 2
    assert float(norm.mean.flatten()[0]) == 4.0


def test_weight_noise_is_gone_after_the_pass() -> None:
    """Noise of the deviation asked for in the pass, the raw weights afterwards."""
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.zeros(100, 100)), nn.Parameter(torch.ones(7))]
    before = copy.deepcopy(weights)
    with noise.noisy_weights(weights, 0.075):
        assert weights[0].detach().std().item() == pytest.approx(0.075, rel=0.05)
        assert not torch.equal(weights[1], before[1])
    assert all(torch.equal(a, b) for a, b in zip(weights, before, strict=True))


def test_gradient_noise_dies_away() -> None:
    """Variance eta / t^0.55 at update t, counted from 1."""
    torch.manual_seed(0)
    for step in (1, 100):
        weight = nn.Parameter(torch.zeros(200, 200))
        weight.grad = torch.ones(200, 200)
        noise.add_to_gradients([weight], 0.3, step)
        assert float(weight.grad.mean()) == pytest.approx(1, abs=0.02)
        assert float(weight.grad.var()) == pytest.approx(0.3 / step**0.55, rel=0.05)
