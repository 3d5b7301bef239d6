"""Averaged weights are what is scored; training goes on from the raw ones."""

from __future__ import annotations

import copy

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
