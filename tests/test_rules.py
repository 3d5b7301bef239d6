"""The rules beyond the textbook ones: each equals its equations by hand, or has the property that sets it apart."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from bench.axes import OPTIMIZERS
from bench.network import Network, Shape
from bench.optimizers import NoPackage, build, shrink
from bench.spec import DECOUPLED, Architecture, Optimizer, Rule, Stabilisation

Step = Callable[[Tensor, Tensor, int], Tensor]


def nesterov(o: Optimizer) -> Step:
    b = 0

    def step(w: Tensor, g: Tensor, t: int) -> Tensor:
        nonlocal b
        b = o.momentum * b + g
        return w - o.lr * (g + o.momentum * b)

    return step


def adadelta(o: Optimizer) -> Step:
    v = u = 0

    def step(w: Tensor, g: Tensor, t: int) -> Tensor:
        nonlocal v, u
        v = 0.9 * v + 0.1 * g**2
        d = (u + 1e-6) ** 0.5 / (v + 1e-6).sqrt() * g
        u = 0.9 * u + 0.1 * d**2
        return w - o.lr * d

    return step


def amsgrad(o: Optimizer) -> Step:
    m = v = 0
    top = torch.zeros(())

    def step(w: Tensor, g: Tensor, t: int) -> Tensor:
        nonlocal m, v, top
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        top = torch.maximum(top, v)
        return w - o.lr * (m / (1 - 0.9**t)) / ((top / (1 - 0.999**t)).sqrt() + 1e-8)

    return step


def radam(o: Optimizer) -> Step:
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


def adafactor(o: Optimizer) -> Step:
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


def lion(o: Optimizer) -> Step:
    m = 0

    def step(w: Tensor, g: Tensor, t: int) -> Tensor:
        nonlocal m
        direction = (0.9 * m + 0.1 * g).sign()
        m = 0.99 * m + 0.01 * g
        return w - o.lr * direction

    return step


def soap(o: Optimizer) -> Step:
    m = v = 0
    sums: list[Tensor] = []
    bases: list[Tensor] = []

    def step(w: Tensor, g: Tensor, t: int) -> Tensor:
        nonlocal m, v, sums, bases
        outer = [g @ g.T, g.T @ g]
        if t == 1:  # the first gradient only chooses the basis
            sums = [0.05 * new for new in outer]
            bases = [torch.linalg.eigh(old).eigenvectors.flip(1) for old in sums]
            return w
        left, right = bases
        t -= 1
        m, v = 0.95 * m + 0.05 * g, 0.95 * v + 0.05 * (left.T @ g @ right) ** 2
        adam = (left.T @ m @ right / (1 - 0.95**t)) / ((v.sqrt() + 1e-8) / (1 - 0.95**t) ** 0.5)
        sums = [0.95 * old + 0.05 * new for old, new in zip(sums, outer, strict=True)]
        if t % 10 == 0:  # one power iteration from the basis before, largest first (Vyas et al. 2024, algorithm 4)
            orders = [(q * (old @ q)).sum(0).argsort(descending=True) for q, old in zip(bases, sums, strict=True)]
            v = v[orders[0]][:, orders[1]]
            bases = [torch.linalg.qr((s @ q)[:, n]).Q for s, q, n in zip(sums, bases, orders, strict=True)]
        return w - o.lr * left @ adam @ right.T

    return step


def prodigy(o: Optimizer) -> Step:
    m = v = s = r = 0
    d = 1e-6
    beta = 0.999**0.5
    start = None

    def step(w: Tensor, g: Tensor, t: int) -> Tensor:
        nonlocal m, v, s, r, d, start
        start = w if start is None else start
        m, v = 0.9 * m + 0.1 * d * g, 0.999 * v + 0.001 * (d * g) ** 2
        # the paper's sums over (1 - beta), which cancels, in units of the first estimate as its authors' code has them
        r = beta * r + d**2 / 1e-6 * o.lr * float((g * (start - w)).sum())
        s = beta * s + d**2 / 1e-6 * o.lr * g
        rate, d = o.lr * d, max(d, r / float(s.abs().sum()))
        return w - rate * m / (v.sqrt() + d * 1e-8)

    return step


BY_HAND: Mapping[str, Callable[[Optimizer], Step]] = {
    "nesterov": nesterov,
    "adadelta": adadelta,
    "amsgrad": amsgrad,
    "radam": radam,
    "adafactor": adafactor,
    "lion": lion,
    "soap": soap,
    "prodigy": prodigy,
}

LONG = {"prodigy": 60}
"""Steps of the rule that begins with a millionth of the way."""

ROUGH = {"soap": 1e-4, "prodigy": 1e-4}
"""Relative error of the rules that keep some sums in single precision; the others are exact to rounding."""


@pytest.mark.parametrize("name", BY_HAND)
def test_the_rule_is_its_equations(name: str) -> None:
    """Twelve steps or more in float64 on changing gradients agree with the published update."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(4, 3, dtype=torch.double))
    first = expected = weight.detach().clone()
    made, rule = build(OPTIMIZERS[name], [weight]), BY_HAND[name](OPTIMIZERS[name])
    for t in range(1, 1 + LONG.get(name, 12)):
        weight.grad = torch.randn_like(weight) + weight.detach()
        expected = rule(expected, weight.grad.clone(), t)
        made.step()
        torch.testing.assert_close(weight.detach(), expected, rtol=ROUGH.get(name, 1e-6), atol=1e-9)
    assert not weight.detach().allclose(first, rtol=1e-3)


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


def test_muon_steps_along_the_orthogonal_factor_of_its_momentum() -> None:
    """Singular values near 1 times the step that AdamW would take, in the directions of Nesterov's momentum."""
    o = OPTIMIZERS["muon"]
    torch.manual_seed(0)
    weight, momentum = nn.Parameter(torch.randn(16, 8)), torch.zeros(16, 8)
    made = build(o, [weight], [weight])
    for _ in range(4):
        weight.grad = torch.randn(16, 8) * torch.logspace(0, 1, 8)
        momentum = 0.95 * momentum + 0.05 * weight.grad
        u, _, v = torch.linalg.svd(0.95 * momentum + 0.05 * weight.grad, full_matrices=False)
        before = weight.detach().clone()
        made.step()
        step = (before - weight.detach()) / (o.lr * 0.2 * 16**0.5)  # 0.2 of the rate a weight: Liu et al. 2025, eq. 4
        values = torch.linalg.svdvals(step)
        assert 0.6 < float(values[-1]) <= float(values[0]) < 1.3  # five Newton-Schulz steps come no nearer
        assert float((step * (u @ v)).sum() / step.norm() / 8**0.5) > 0.97


def test_muon_takes_the_matrices_between_embedding_and_head() -> None:
    """Of a network, recurrent layers and attention are Muon's; embedding, head, biases and gains AdamW's."""
    shape = Shape(inputs=5, outputs=5, symbols=True, per_step=True, causal=True, time=8)
    model = Network(shape, Architecture(attention=True), Stabilisation(layer_norm=True), width=6, seed=0)
    names = {id(weight): name for name, weight in model.named_parameters()}
    groups = build(OPTIMIZERS["muon"], model.parameters(), model.hidden).param_groups
    muon, adamw = ({names[id(weight)] for weight in group["params"]} for group in groups)
    cell = "layers.0.ahead.weights.weight"
    assert muon == {f"{cell}_ih_l0", f"{cell}_hh_l0", "attention.score.weight", "attention.combine.weight"}
    assert {"embed.weight", "head.weight", "head.bias", "attention.combine.bias"} < adamw
    assert muon | adamw == set(names.values())


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


def test_soap_leaves_long_sides_alone() -> None:
    """A side of 1,025 has no eigenbasis, the other side of the same matrix has one."""
    weight = nn.Parameter(torch.ones(1_025, 3))
    made = build(OPTIMIZERS["soap"], [weight])
    weight.grad = torch.randn(1_025, 3)
    made.step()
    assert [len(basis) for basis in made.state[weight]["Q"]] == [0, 3]


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


@pytest.mark.parametrize("rule", DECOUPLED)
def test_a_rules_own_decay_is_decoupled(rule: Rule) -> None:
    """One step with it takes rate times strength of each weight more than one without, at any scale."""
    for scale in (1.0, 1e3):
        shrunk, kept = (nn.Parameter(torch.full((2, 2), 5.0, dtype=torch.double)) for _ in range(2))
        for weight, decay in ((shrunk, 0.5), (kept, 0.0)):
            made = build(replace(OPTIMIZERS[rule], decay=decay), [weight], [weight])
            for _ in range(2 if rule == "soap" else 1):  # its first step is none
                weight.grad = torch.tensor([[1.0, 2.0], [3.0, -4.0]], dtype=torch.double) * scale
                made.step()
        rate = OPTIMIZERS[rule].lr * (1e-6 if rule == "prodigy" else 1)
        torch.testing.assert_close(
            (kept - shrunk).detach(), torch.full((2, 2), rate * 0.5 * 5.0, dtype=torch.double), rtol=0.05, atol=0
        )


def test_settings_that_no_rule_reads_are_refused() -> None:
    """A decay or a momentum that would do nothing, and Nesterov's rule without a momentum."""
    assert Optimizer("nadam", lr=0.01, decay=0.1).problems() == [
        f"decay is of the rules {', '.join(DECOUPLED)}; nadam has none"
    ]
    assert Optimizer("adam", lr=0.01, momentum=0.9).problems() == [
        "momentum is of the rules sgd and nesterov, not adam"
    ]
    assert Optimizer("nesterov", lr=0.1).problems() == ["nesterov needs a momentum above 0"]


def test_decay_under_prodigy_goes_by_the_rate_it_estimates() -> None:
    """Its own rate is a factor on the estimate, 1 by default: decay by that alone would take the weights in no time."""
    weight = nn.Parameter(torch.full((2, 2), 5.0, dtype=torch.double))
    made = build(OPTIMIZERS["prodigy"], [weight])
    shrink([weight], 0.5, made)
    assert float(5 - weight[0, 0].detach()) == pytest.approx(1e-6 * 0.5 * 5)


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
