"""Each optimizer equals the rule written out by hand; L2 is coupled whatever the rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from bench.axes import OPTIMIZERS
from bench.optimizers import add_l2, build
from bench.spec import Optimizer

Step = Callable[[Tensor, Tensor], Tensor]


def sgd(o: Optimizer) -> Iterator[Step]:
    velocity = 0
    while True:

        def step(w: Tensor, g: Tensor) -> Tensor:
            nonlocal velocity
            velocity = o.momentum * velocity + g
            return w - o.lr * velocity

        yield step


def adagrad(o: Optimizer) -> Iterator[Step]:
    total = 0
    while True:

        def step(w: Tensor, g: Tensor) -> Tensor:
            nonlocal total
            total = total + g**2
            return w - o.lr * g / (total.sqrt() + 1e-10)

        yield step


def rmsprop(o: Optimizer) -> Iterator[Step]:
    square = 0
    while True:

        def step(w: Tensor, g: Tensor) -> Tensor:
            nonlocal square
            square = 0.9 * square + 0.1 * g**2
            return w - o.lr * g / (square.sqrt() + 1e-8)

        yield step


def adam(o: Optimizer) -> Iterator[Step]:
    m = v = 0
    t = 0
    while True:

        def step(w: Tensor, g: Tensor) -> Tensor:
            nonlocal m, v, t
            t += 1
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            w = w * (1 - o.lr * o.decay)  # decoupled, before the step: AdamW only
            return w - o.lr * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)

        yield step


def nadam(o: Optimizer) -> Iterator[Step]:
    m = v = 0
    t, product = 0, 1.0
    while True:

        def step(w: Tensor, g: Tensor) -> Tensor:
            nonlocal m, v, t, product
            t += 1
            now, then = (0.9 * (1 - 0.5 * 0.96 ** (k * 4e-3)) for k in (t, t + 1))  # Dozat 2016, algorithm 2
            product *= now
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            ahead = then * m / (1 - product * then) + (1 - now) * g / (1 - product)
            return w - o.lr * ahead / ((v / (1 - 0.999**t)).sqrt() + 1e-8)

        yield step


BY_HAND = {"sgd": sgd, "adagrad": adagrad, "rmsprop": rmsprop, "adam": adam, "nadam": nadam, "adamw": adam}


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_optimizer_equals_its_rule(name: str) -> None:
    """Ten steps in float64 on changing gradients agree with the published update, to the last digits."""
    optimizer = OPTIMIZERS[name]
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(4, 3, dtype=torch.double))
    expected = weight.detach().clone()
    made = build(optimizer, [weight])
    rule = BY_HAND[optimizer.rule](optimizer)
    for _ in range(10):
        weight.grad = torch.randn_like(weight) + weight.detach()
        expected = next(rule)(expected, weight.grad)
        made.step()
        torch.testing.assert_close(weight.detach(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "adamw"])
def test_l2_equals_torch_weight_decay(name: str) -> None:
    """Coupled L2 gives the weights of torch's own weight_decay, which is coupled for every rule but AdamW."""
    torch.manual_seed(0)
    mine, theirs = (nn.Parameter(torch.ones(3, 2)) for _ in range(2))
    made, reference = build(OPTIMIZERS[name], [mine]), build(OPTIMIZERS[name], [theirs])
    reference.param_groups[0]["weight_decay"] = 0.1
    for _ in range(5):
        gradient = torch.randn(3, 2)
        mine.grad, theirs.grad = gradient.clone(), gradient.clone()
        add_l2([mine], 0.1)
        made.step(), reference.step()
    torch.testing.assert_close(mine, theirs)


def test_l2_is_the_gradient_of_half_the_squared_norm() -> None:
    """add_l2 adds strength * w, and leaves a weight without a gradient alone."""
    weight, unused = nn.Parameter(torch.tensor([[2.0, -4.0]])), nn.Parameter(torch.ones(2, 2))
    weight.grad = torch.tensor([[1.0, 1.0]])
    add_l2([weight, unused], 0.5)
    torch.testing.assert_close(weight.grad, torch.tensor([[2.0, -1.0]]))
    assert unused.grad is None


def test_decoupled_decay_is_not_l2() -> None:
    """AdamW shrinks a weight by lr * decay whatever the gradient's scale; L2 under Adam does not."""
    for scale in (1.0, 100.0):
        shrunk, kept = nn.Parameter(torch.full((1, 1), 5.0)), nn.Parameter(torch.full((1, 1), 5.0))
        adamw = build(replace(OPTIMIZERS["adamw"], lr=0.01, decay=0.5), [shrunk])
        plain = build(replace(OPTIMIZERS["adamw"], lr=0.01, decay=0.0), [kept])
        shrunk.grad = kept.grad = torch.full((1, 1), scale)
        adamw.step(), plain.step()
        assert float((kept - shrunk).detach()) == pytest.approx(0.01 * 0.5 * 5.0, rel=1e-4)
