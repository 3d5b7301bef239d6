"""The loop: clipping, L2, early stopping, divergence, evaluation; each does what it says."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from toys import Labels, Symbols, network

from bench import schedules
from bench.axes import OPTIMIZERS
from bench.clipping import Clipping
from bench.network import Network
from bench.optimizers import build
from bench.rng import stream
from bench.spec import Architecture, Budget, Optimizer, Rule, Stabilisation
from bench.train import Fit, evaluate, fit, update
from tasks.base import Batch, Sequences, Task

BUDGET = Budget(parameters=1_000, batch=16, steps=12, evaluate=4, curve=48, seconds=60)
SGD = Optimizer("sgd", lr=0.1)


def trained(
    task: Task, recipe: Stabilisation, optimizer: Optimizer = SGD, budget: Budget = BUDGET
) -> tuple[Network, Fit]:
    model = network(task, recipe=recipe)
    torch.manual_seed(0)
    return model, fit(model, task, recipe, build(optimizer, model.parameters()), budget, stream(0, "order"))


def gradients_after(recipe: Stabilisation) -> tuple[list[torch.Tensor], bool]:
    """The gradients that the optimizer is given, and whether they were clipped."""
    task = Labels()
    model = network(task, recipe=recipe)
    optimizer = build(SGD, model.parameters())
    clipped, _ = update(model, task, recipe, optimizer, next(task.train.ordered(16)), None, Clipping(recipe))
    return [weight.grad.clone() for weight in model.parameters()], clipped


def total(gradients: list[torch.Tensor]) -> float:
    return math.sqrt(sum(float(g.square().sum()) for g in gradients))


def test_clipping_by_norm_rescales_the_whole_gradient() -> None:
    """The total norm becomes the threshold, the direction stays; a norm below it is left alone."""
    plain, none = gradients_after(Stabilisation())
    norm = total(plain)
    clipped, yes = gradients_after(Stabilisation(clip_norm=norm / 2))
    assert (none, yes) == (False, True)
    assert total(clipped) == pytest.approx(norm / 2, rel=1e-4)
    for mine, whole in zip(clipped, plain, strict=True):
        torch.testing.assert_close(mine, whole / 2, rtol=1e-4, atol=1e-7)
    loose, no = gradients_after(Stabilisation(clip_norm=2 * norm))
    assert not no
    assert total(loose) == pytest.approx(norm, rel=1e-6)


def test_clipping_by_value_cuts_each_component() -> None:
    """Components beyond the threshold become the threshold, the others stay as they are."""
    plain, _ = gradients_after(Stabilisation())
    limit = max(float(g.abs().max()) for g in plain) / 3
    clipped, yes = gradients_after(Stabilisation(clip_value=limit))
    assert yes
    for mine, whole in zip(clipped, plain, strict=True):
        torch.testing.assert_close(mine, whole.clamp(-limit, limit))


def test_l2_reaches_matrices_and_spares_biases() -> None:
    """One step of SGD with L2 differs from one without by -lr * l2 * w on matrices, and by nothing on biases."""
    task = Labels()
    start = network(task).state_dict()
    ends = {}
    for l2 in (0.0, 0.1):
        model = network(task)
        recipe, batch = Stabilisation(l2=l2), next(task.train.ordered(16))
        update(model, task, recipe, build(SGD, model.parameters()), batch, None, Clipping(recipe))
        ends[l2] = model.state_dict()
    for name, before in start.items():
        difference = ends[0.1][name] - ends[0.0][name]
        expected = -0.1 * 0.1 * before if before.dim() > 1 else torch.zeros_like(before)
        torch.testing.assert_close(difference, expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(("rule", "rate"), [("sgd", 0.1), ("adam", 0.02)])
def test_decay_and_l2_are_told_apart(rule: Rule, rate: float) -> None:
    """One step from the same gradient g, in closed form, at the rate that a schedule has set.

    SGD: both take rate * (g + strength * w), the same. Adam's first step is rate * g / (|g| + 1e-8): L2 is in that g,
    so its step stays as long as the rate; decay takes rate * strength * w beside it. Biases know of neither.
    """
    task, strength, start, ends = Labels(), 0.3, network(Labels()), {}
    for recipe in (Stabilisation(), Stabilisation(l2=strength), Stabilisation(decay=strength)):
        model = network(task)
        optimizer = build(Optimizer(rule, lr=1.0), model.parameters())
        optimizer.param_groups[0]["lr"] = rate
        update(model, task, recipe, optimizer, next(task.train.ordered(16)), None, Clipping(recipe))
        ends[recipe] = model
    plain, coupled, decoupled = ends.values()
    weights = zip(start.parameters(), plain.parameters(), coupled.parameters(), decoupled.parameters(), strict=True)
    for w, bare, l2, decay in weights:
        shrink = strength * w if w.dim() > 1 else torch.zeros_like(w)
        torch.testing.assert_close(decay, bare - rate * shrink, rtol=1e-4, atol=1e-6)
        g = l2.grad  # with L2 in it
        expected = w - rate * (g if rule == "sgd" else g / (g.abs() + 1e-8))
        torch.testing.assert_close(l2, expected, rtol=1e-4, atol=1e-6)
    assert all(
        torch.allclose(a, b, atol=1e-6) for a, b in zip(coupled.parameters(), decoupled.parameters(), strict=True)
    ) == (rule == "sgd")


RANDOM = [
    (Labels, Stabilisation(weight_noise=0.075)),
    (Labels, Stabilisation(gradient_noise=0.01)),
    (Labels, Stabilisation(spec_augment=True)),
    (Labels, Stabilisation(jitter=0.1)),
]
"""Techniques that draw random numbers in the loop."""


@pytest.mark.parametrize(("task", "recipe"), RANDOM)
def test_random_techniques_repeat(task: type[Labels], recipe: Stabilisation) -> None:
    """The same seed gives the same weights bit for bit, and other ones than without the technique."""
    once, twice, without = (trained(task(), wanted)[0].state_dict() for wanted in (recipe, recipe, Stabilisation()))
    assert all(torch.equal(once[name], twice[name]) for name in once)
    assert not all(torch.equal(once[name], without[name]) for name in once)


def test_evaluation_is_free_of_the_loops_noise() -> None:
    """Scores after training come without noise or masks: evaluated twice, they are the same, and nothing is drawn."""
    task = Labels()
    model, _ = trained(task, Stabilisation(weight_noise=0.075, spec_augment=True))
    before = torch.get_rng_state()
    assert evaluate(model, task, task.test) == evaluate(model, task, task.test)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_fit_says_of_the_rates() -> None:
    """The rate of the first update, the highest, and that of the last, as the schedule set them."""
    task, rule = Labels(), Optimizer("sgd", lr=0.1, schedule="one-cycle")
    model = network(task)
    optimizer = build(rule, model.parameters())
    schedule = schedules.build(rule, optimizer, BUDGET.steps)
    result = fit(model, task, Stabilisation(), optimizer, BUDGET, stream(0, "order"), schedule)
    expected = [0.1 * schedules.factor("one-cycle", step / BUDGET.steps) for step in range(BUDGET.steps)]
    assert result.rates == pytest.approx([expected[0], max(expected), expected[-1]])


class Overfitted(Labels):
    """Validation labels are noise: the longer the training, the worse."""

    def __init__(self) -> None:
        super().__init__()
        self.valid = Sequences(self.valid.x, 1 - self.valid.y, self.valid.lengths)


def test_early_stopping_stops_and_restores_the_best_weights() -> None:
    """With patience 2 the run ends two evaluations after the best one and scores the weights it had there."""
    task, adam = Overfitted(), replace(OPTIMIZERS["adam"], lr=0.05)
    long = replace(BUDGET, steps=80)
    model, result = trained(task, Stabilisation(patience=2), adam, long)
    assert result.restored
    assert result.steps == result.best_step + 2 * BUDGET.evaluate < long.steps
    valid = {point["step"]: point["valid"]["loss"] for point in result.curve}
    assert evaluate(model, task, task.valid)["loss"] == pytest.approx(valid[result.best_step], rel=1e-5)
    assert valid[result.best_step] < valid[result.steps]
    _, whole = trained(task, Stabilisation(), adam, long)
    assert (whole.steps, whole.restored) == (80, False)
    assert whole.curve[: len(result.curve)] == result.curve


def test_divergence_returns_with_its_step() -> None:
    """A loss that is not finite ends the run; nothing is raised."""
    _, result = trained(
        Labels(), Stabilisation(activation="relu"), Optimizer("sgd", lr=10.0, momentum=0.99), replace(BUDGET, steps=400)
    )
    if result.diverged is None:  # ReLU units may die before they explode: force the matter
        task = Labels()
        task.train = Sequences(task.train.x * math.inf, task.train.y, task.train.lengths)
        _, result = trained(task, Stabilisation())
    assert result.diverged is not None
    assert result.steps < result.diverged


@pytest.mark.parametrize("task", [Labels(), Symbols()])
@pytest.mark.parametrize("architecture", [Architecture(), Architecture(attention=True)])
def test_metrics_do_not_depend_on_the_evaluation_batch(
    task: Task, architecture: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sequence at a time or all together: the same score, state carried and all."""
    model = network(task, architecture)
    scores = []
    for size in (1, 5, 128):
        monkeypatch.setattr("bench.train.EVALUATION_BATCH", size)
        scores.append(evaluate(model, task, task.test)["loss"])
    assert scores == pytest.approx([scores[0]] * 3, rel=1e-6)


def test_state_is_carried_in_training_and_evaluation_alike() -> None:
    """A batch that continues a stream starts from the state before it; the gradient stops at the border."""
    task = Symbols()
    model = network(task)
    first, second = (batch for batch, _ in zip(task.train.ordered(16), range(2), strict=False))
    assert (first.carried, second.carried) == (False, True)
    _, state = model(first)
    assert not any(part.requires_grad for layer in state for part in layer)
    whole, _ = model(Batch(torch.cat([first.x, second.x], 1), first.y))
    torch.testing.assert_close(model(second, state)[0], whole[:, 8:], rtol=1e-4, atol=1e-6)


def test_the_order_of_data_belongs_to_the_seed() -> None:
    """Techniques of one seed see the same batches in the same order; another seed sees another order."""

    def order(seed: int) -> list[list[int]]:
        batches = Labels().train.shuffled(16, stream(seed, "order"))
        return [next(batches).y.tolist() for _ in range(5)]

    assert order(0) == order(0) != order(1)
