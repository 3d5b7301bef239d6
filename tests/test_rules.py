"""The rules beyond the textbook ones: each equals its equations by hand, or has the property that sets it apart."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from bench.axes import OPTIMIZERS
from bench.optimizers import NoPackage, build, shrink
from bench.spec import Optimizer

Rule = Callable[[Tensor, Tensor, int], Tensor]


def nesterov(o: Optimizer) -> Rule:
    b = 0

    def step(w: Tensor, g: Tensor, t: int) -> Tensor:
        nonlocal b
        b = o.momentum * b + g
        return w - o.lr * (g + o.momentum * b)

    return step


def adadelta(o: Optimizer) -> Rule:
    v = u = 0

    def step(w: Tensor, g: Tensor, t: int) -> Tensor:
        nonlocal v, u
        v = 0.9 * v + 0.1 * g**2
        d = (u + 1e-6) ** 0.5 / (v + 1e-6).sqrt() * g
        u = 0.9 * u + 0.1 * d**2
        return w - o.lr * d

    return step


def amsgrad(o: Optimizer) -> Rule:
    m = v = 0
    top = torch.zeros(())

    def step(w: Tensor, g: Tensor, t: int) -> Tensor:
        nonlocal m, v, top
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        top = torch.maximum(top, v)
        return w - o.lr * (m / (1 - 0.9**t)) / ((top / (1 - 0.999**t)).sqrt() + 1e-8)

    return step


def radam(o: Optimizer) -> Rule:
    m = v = 0
    longest = 2 / (1 - 0.999) - 1

    def step(w: Tensor, g: Tensor, t: int) -> Tensor:
        nonlocal m, v
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        mean = m / (1 - 0.9**t)
        length = longest - 2 * t * 0.999**t / (1 - 0.999**t)  # Liu et al. 2020, algorithm 2
        if length <= 5:
            return w - o.lr * mean
        r = ((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)) ** 0.5
        return w - o.lr * r * mean * (1 - 0.999**t) ** 0.5 / (v.sqrt() + 1e-8)

    return step


def adafactor(o: Optimizer) -> Rule:
    rows = columns = 0

    def rms(x: Tensor) -> float:
        return float(x.square().mean().sqrt())

    def step(w: Tensor, g: Tensor, t: int) -> Tensor:
        nonlocal rows, columns
        keep = 1 - t**-0.8
        rows = keep * rows + (1 - keep) * g.square().mean(1, keepdim=True)
        columns = keep * columns + (1 - keep) * g.square().mean(0, keepdim=True)
        update = g / (rows @ columns / rows.mean()).sqrt()
        rate = max(1e-3, rms(w)) * min(o.lr, t**-0.5)
        return w - rate * update / max(1.0, rms(update))

    return step


def lion(o: Optimizer) -> Rule:
    m = 0

    def step(w: Tensor, g: Tensor, t: int) -> Tensor:
        nonlocal m
        direction = (0.9 * m + 0.1 * g).sign()
        m = 0.99 * m + 0.01 * g
        return w - o.lr * direction

    return step


BY_HAND: Mapping[str, Callable[[Optimizer], Rule]] = {
    "nesterov": nesterov,
    "adadelta": adadelta,
    "amsgrad": amsgrad,
    "radam": radam,
    "adafactor": adafactor,
    "lion": lion,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_the_rule_is_its_equations(name: str) -> None:
    """Twelve steps in float64 on changing gradients agree with the published update."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(4, 3, dtype=torch.double))
    expected, made, rule = weight.detach().clone(), build(OPTIMIZERS[name], [weight]), BY_HAND[name](OPTIMIZERS[name])
    for t in range(1, 13):
        weight.grad = torch.randn_like(weight) + weight.detach()
        expected = rule(expected, weight.grad.clone(), t)
        made.step()
        torch.testing.assert_close(weight.detach(), expected, rtol=1e-6, atol=1e-9)


def test_schedule_free_is_its_three_sequences() -> None:
    """Gradients are taken at y, steps at z, and x, the average of all z, is what is scored (Defazio et al. 2024)."""
    o = OPTIMIZERS["schedule-free"]
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(4, 3, dtype=torch.double))
    made = build(o, [weight])
    x = z = y = weight.detach().clone()
    v = 0
    for t in range(1, 13):
        torch.testing.assert_close(weight.detach(), y)
        weight.grad = torch.randn_like(weight) + weight.detach()
        v = 0.999 * v + 0.001 * weight.grad**2
        z = z - o.lr * weight.grad / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
        x = (1 - 1 / t) * x + z / t
        y = 0.1 * z + 0.9 * x
        made.step()
    made.eval()
    torch.testing.assert_close(weight.detach(), x, rtol=1e-6, atol=1e-9)
    made.train()
    torch.testing.assert_close(weight.detach(), y, rtol=1e-6, atol=1e-9)


def test_muon_makes_every_direction_of_a_hidden_matrix_alike() -> None:
    """The step of a hidden matrix has singular values near each other; the others go AdamW's way (Jordan et al.)."""
    torch.manual_seed(0)
    hidden, head, bias = (nn.Parameter(torch.randn(shape)) for shape in ((16, 8), (5, 8), (16,)))
    before = [weight.detach().clone() for weight in (hidden, head, bias)]
    made = build(OPTIMIZERS["muon"], [hidden, head, bias], [hidden, bias])
    for weight in (hidden, head, bias):
        weight.grad = torch.randn_like(weight) * torch.logspace(0, 2, weight.shape[-1])
    gradient = torch.linalg.svdvals(hidden.grad)
    made.step()
    step = torch.linalg.svdvals(before[0] - hidden.detach())
    assert float(step[0] / step[-1]) < 2 < 10 < float(gradient[0] / gradient[-1])
    for weight, old in zip((head, bias), before[1:], strict=True):
        torch.testing.assert_close((weight.detach() - old).abs(), torch.full_like(old, OPTIMIZERS["muon"].lr))
    made.zero_grad()
    assert hidden.grad is None is head.grad


def test_prodigy_needs_no_rate() -> None:
    """From an estimate of one millionth of the way it comes to the minimum, whatever the distance."""
    for distance in (1.0, 100.0):
        weight = nn.Parameter(torch.zeros(8))
        made = build(OPTIMIZERS["prodigy"], [weight])
        for _ in range(600):
            weight.grad = (weight.detach() - distance).sign() * (weight.detach() - distance).abs().clamp(max=1)
            made.step()
        assert float((weight.detach() - distance).abs().max()) < 0.15 * distance


def test_soap_turns_with_its_gradients() -> None:
    """Turning weights and gradients turns the steps (it is Adam in the eigenbasis), which Adam's own do not."""
    torch.manual_seed(0)
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.double)).Q
    gradients = [torch.randn(4, 3, dtype=torch.double) for _ in range(6)]

    def path(name: str, turned: bool) -> Tensor:
        weight = nn.Parameter(torch.zeros(4, 3, dtype=torch.double))
        made = build(OPTIMIZERS[name], [weight])
        for g in gradients:
            weight.grad = turn @ g if turned else g.clone()
            made.step()
        return turn.T @ weight.detach() if turned else weight.detach()

    torch.testing.assert_close(path("soap", True), path("soap", False), rtol=1e-4, atol=1e-6)
    assert not torch.allclose(path("adam", True), path("adam", False), rtol=1e-2)


@pytest.mark.parametrize("name", ["lion", "schedule-free", "prodigy", "soap"])
def test_a_package_that_is_absent_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which package and how to get it."""
    real = builtins.__import__

    def without(module: str, *rest: object, **more: object) -> object:
        if module.split(".")[0] in ("pytorch_optimizer", "schedulefree"):
            raise ImportError(module)
        return real(module, *rest, **more)

    import importlib

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(NoPackage, match=r"pip install -e '.\[optim\]'"):
        build(OPTIMIZERS[name], [nn.Parameter(torch.ones(2))])


@pytest.mark.parametrize("name", ["sgd", "adam", "adadelta"])
def test_decoupled_decay_shrinks_by_the_rate_alone(name: str) -> None:
    """Rate times strength of each weight, whatever the rule and the gradient's scale."""
    for scale in (1.0, 1e3):
        weight, other = nn.Parameter(torch.full((2, 2), 5.0)), nn.Parameter(torch.full((2, 2), 5.0))
        made, plain = build(OPTIMIZERS[name], [weight]), build(OPTIMIZERS[name], [other])
        weight.grad = other.grad = torch.full((2, 2), scale)
        shrink([weight], 0.1, made)
        made.step(), plain.step()
        torch.testing.assert_close(
            other - weight, torch.full((2, 2), 0.1 * OPTIMIZERS[name].lr * 5.0), rtol=1e-3, atol=1e-6
        )


def test_schedule_free_refuses_a_schedule() -> None:
    """It averages instead of lowering its rate."""
    assert Optimizer("schedule-free", lr=0.01, schedule="cosine").problems() == [
        "schedule-free takes no schedule: it averages instead"
    ]
    assert math.isfinite(OPTIMIZERS["schedule-free"].lr)
