"""The gradient probe measures what travelled back, and the half-life is its decay."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from toys import Labels, Symbols, network

from bench import probes
from bench.cells import Now
from bench.noise import Noise
from bench.spec import Architecture, Stabilisation
from bench.train import Fit
from tasks.base import Batch


def linear(task: Labels | Symbols, factor: float) -> nn.Module:
    """A recurrent network whose state shrinks by `factor` a step: ReLU on positive states is linear."""
    model = network(task, Architecture(cell="rnn"), Stabilisation(activation="relu"))
    cell = model.cells[0].weights
    with torch.no_grad():
        cell.weight_hh_l0.copy_(factor * torch.eye(6))
        cell.bias_ih_l0.fill_(5.0)  # keeps every unit on
        cell.weight_ih_l0.mul_(0.1)
    return model


@pytest.mark.parametrize("factor", [0.5, 0.9])
@pytest.mark.parametrize("task", [Labels(), Symbols()])
def test_known_decay(task: Labels | Symbols, factor: float) -> None:
    """Where each step multiplies the gradient by 0.9, the norms are 0.9^k and the half-life is log 2 / -log 0.9."""
    found = probes.vanishing(linear(task, factor), task)
    norms = found["norms"]
    for k, norm in enumerate(norms):
        assert norm / norms[0] == pytest.approx(factor**k, rel=1e-2)
    assert found["half_life"] == pytest.approx(math.log(2) / -math.log(factor), rel=1e-2)


def test_growing_gradients_have_no_half_life() -> None:
    """A gradient that grows is said to grow: the rate is positive and the half-life empty."""
    found = probes.vanishing(linear(Labels(), 1.1), Labels())
    assert found["half_life"] is None
    assert found["rate"] == pytest.approx(math.log2(1.1), rel=2e-2)


def test_norms_are_those_of_autograd() -> None:
    """Distance 0 is the last frame of each sequence, whatever its length: compared with a loop over one sequence."""
    task = Labels()
    model = network(task)
    batch = next(task.train.ordered(1))
    cell, x = model.cells[0], batch.x.transpose(0, 1)
    states, state = [], cell.initial(x)
    for t, z in enumerate(cell.project(x, None)):
        state = cell.step(z, state, Now(t, None, cell.recurrent_weight(), Noise(keep=(None, None))))
        state[0].retain_grad()
        states.append(state[0])
    task.loss(model.head(states[-1]), batch).backward()
    expected = [float(h.grad.norm()) for h in reversed(states)]
    assert probes.gradient_norms(model, task, batch) == pytest.approx(expected, rel=1e-5)


def test_short_sequences_do_not_dilute_long_distances() -> None:
    """A mean is taken over the sequences that reach so far back, and is empty where none does."""
    task = Labels()
    model = network(task)
    x = torch.randn(2, 9, 3)
    both = probes.gradient_norms(model, task, Batch(x, torch.tensor([0, 1]), torch.tensor([9, 3])))
    alone = probes.gradient_norms(model, task, Batch(x[:1], torch.tensor([0]), torch.tensor([9])))
    for k in range(3, 9):
        assert both[k] / both[0] == pytest.approx(alone[k] / alone[0], rel=1e-4)


def test_the_probe_leaves_the_model_as_it_was() -> None:
    """Weights, population statistics, mode and the random stream are untouched."""
    task = Labels()
    model = network(task, recipe=Stabilisation(batch_norm="recurrent", dropout=0.5)).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    generator = torch.get_rng_state()
    probes.vanishing(model, task)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training
    assert torch.equal(torch.get_rng_state(), generator)


def test_zero_gradients_are_no_half_life() -> None:
    """Fewer than two norms that can be told from zero: nothing is fitted."""
    assert probes.decay([0.0, 0.0, 0.0]) == {"rate": None, "half_life": None}
    assert probes.decay([1.0, None]) == {"rate": None, "half_life": None}


def test_gap_is_read_at_the_best_point() -> None:
    """The generalisation gap is validation minus training loss where validation was lowest."""
    curve = [
        {"step": s, "train": {"loss": a}, "valid": {"loss": b}, "test": {"loss": c}}
        for s, a, b, c in ((0, 3, 3, 3), (10, 2, 2.5, 2.6), (20, 1, 4, 5))
    ]
    assert probes.overfitting(Fit(curve=curve, best_step=10)) == {
        "step": 10, "train": 2, "valid": 2.5, "test": 2.6, "gap": 0.5,
    }  # fmt: skip
