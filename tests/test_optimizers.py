"""Each optimizer equals the rule by hand, each kernel equals torch's class; L2 is coupled whatever the rule."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from bench import native
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


@pytest.mark.parametrize("name", [name for name, value in OPTIMIZERS.items() if value.rule in BY_HAND])
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


@pytest.mark.parametrize(
    "name", [name for name, value in OPTIMIZERS.items() if value.rule in BY_HAND and name != "adamw"]
)
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


TORCH: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "rmsprop": lambda weights: torch.optim.RMSprop(weights, OPTIMIZERS["rmsprop"].lr, alpha=0.9),
    "nadam": lambda weights: torch.optim.NAdam(weights, OPTIMIZERS["nadam"].lr),
}
"""Torch's own class of the rules that have a kernel of ours."""

TOLERANCE = {torch.float: {"rtol": 2e-6, "atol": 2e-6}, torch.double: {"rtol": 1e-12, "atol": 1e-14}}

each_kernel = pytest.mark.parametrize("name", list(TORCH))


@pytest.fixture
def kernel_steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows by a name with each step of a kernel; skips where there are none."""
    if native.problem() is not None:
        pytest.skip("no C++ kernels here")
    function, steps = native.function, []

    def counted(name: str, *kinds: type) -> Callable[..., None] | None:
        steps.append(name)
        return function(name, *kinds)

    monkeypatch.setattr(native, "function", counted)
    return steps


def weights(dtype: torch.dtype = torch.float) -> list[nn.Parameter]:
    """Of odd sizes, and one without elements."""
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(size, dtype=dtype)) for size in ((), (3,), (17, 1), (8, 125), (70_001,), (0, 4))]


def steps(optimizer: torch.optim.Optimizer, moved: list[nn.Parameter], numbers: Iterable[int]) -> None:
    """Steps on gradients that depend on the number of the step alone."""
    for number in numbers:
        torch.manual_seed(number)
        for weight in moved:
            weight.grad = 3 * torch.randn(weight.shape, dtype=weight.dtype)
        optimizer.step()


def assert_same(mine: Iterable[Tensor], theirs: Iterable[Tensor]) -> None:
    """Equal to rounding."""
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE[other.dtype])


@each_kernel
@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
def test_kernel_equals_torch(name: str, dtype: torch.dtype, kernel_steps: list[str]) -> None:
    """Twenty steps give torch's weights and torch's state, one by one; a weight without a gradient stays as it is."""
    mine, theirs, still = weights(dtype), weights(dtype), nn.Parameter(torch.ones(5, dtype=dtype))
    made, reference = build(OPTIMIZERS[name], [still, *mine]), TORCH[name](theirs)
    for number in range(20):
        steps(made, mine, [number])
        steps(reference, theirs, [number])
        assert_same(mine, theirs)
        for one, other in zip(mine, theirs, strict=True):
            assert made.state[one].keys() == reference.state[other].keys()
            assert_same(made.state[one].values(), reference.state[other].values())
    assert still.eq(1).all()
    assert not made.state.get(still)
    assert kernel_steps == [name] * 20


@each_kernel
@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
def test_two_threads_give_the_bits_of_one(name: str, dtype: torch.dtype, kernel_steps: list[str]) -> None:
    """Every weight is the same to the last bit, however many threads share the work."""
    moved = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        moved.append(weights(dtype))
        steps(build(OPTIMIZERS[name], moved[-1]), moved[-1], range(3))
    assert all(one.equal(other) for one, other in zip(*moved, strict=True))
    assert kernel_steps == [name] * 6


@each_kernel
def test_state_moves_to_torch_and_back(name: str, kernel_steps: list[str]) -> None:
    """Three steps here, three in torch's class and three here again are nine of torch's."""
    mine, theirs = weights(), weights()
    first, torchs, last = build(OPTIMIZERS[name], mine), TORCH[name](mine), build(OPTIMIZERS[name], mine)
    steps(first, mine, range(3))
    torchs.load_state_dict(first.state_dict())
    steps(torchs, mine, range(3, 6))
    last.load_state_dict(torchs.state_dict())
    steps(last, mine, range(6, 9))
    steps(TORCH[name](theirs), theirs, range(9))
    assert_same(mine, theirs)
    assert kernel_steps == [name] * 6


@each_kernel
def test_without_kernels_torch_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a compiler comes to the same weights."""
    monkeypatch.setattr(native, "function", lambda *_: None)
    mine, theirs = weights(), weights()
    steps(build(OPTIMIZERS[name], mine), mine, range(5))
    steps(TORCH[name](theirs), theirs, range(5))
    assert_same(mine, theirs)


@each_kernel
@pytest.mark.parametrize(
    "other", [torch.ones(6, 4).t(), torch.ones(4, 6, dtype=torch.double), torch.ones(4, 6, dtype=torch.complex64)]
)
def test_what_no_kernel_fits_is_torchs(name: str, other: Tensor, kernel_steps: list[str]) -> None:
    """Beside a plain weight one that is not contiguous, of another precision, or complex: torch's own step for both."""
    mine, theirs = ([nn.Parameter(torch.ones(5)), nn.Parameter(other.clone())] for _ in range(2))
    steps(build(OPTIMIZERS[name], mine), mine, range(3))
    steps(TORCH[name](theirs), theirs, range(3))
    torch.testing.assert_close(mine, theirs)
    assert mine[0].ne(1).all()
    assert not kernel_steps


@each_kernel
def test_a_gradient_of_other_strides_is_read_right(name: str) -> None:
    """A contiguous weight whose gradient is a transposed view moves as by a copy of it."""
    gradient, moved = torch.randn(6, 4), []
    for given in (gradient.t(), gradient.t().contiguous()):
        moved.append(nn.Parameter(torch.ones(4, 6)))
        made = build(OPTIMIZERS[name], [moved[-1]])
        moved[-1].grad = given
        made.step()
    assert_same([moved[0]], [moved[1]])


@each_kernel
def test_a_sparse_gradient_is_refused(name: str) -> None:
    """By torch, in its words."""
    weight = nn.Parameter(torch.ones(3, 2))
    weight.grad = torch.ones(3, 2).to_sparse()
    with pytest.raises(RuntimeError, match="does not support sparse gradients"):
        build(OPTIMIZERS[name], [weight]).step()


@each_kernel
def test_not_a_number_reaches_the_weight(name: str) -> None:
    """One NaN in a gradient: that element of the weight is lost, and no other."""
    weight = nn.Parameter(torch.ones(100))
    weight.grad = torch.ones(100)
    weight.grad[7] = torch.nan
    build(OPTIMIZERS[name], [weight]).step()
    assert weight.isnan().nonzero().flatten().tolist() == [7]


@each_kernel
def test_autograd_knows_of_the_step(name: str) -> None:
    """Backward through a weight as it was before the step is an error, as after any change in place."""
    weight = nn.Parameter(torch.ones(3))
    loss = (weight**2).sum()
    weight.grad = torch.ones(3)
    build(OPTIMIZERS[name], [weight]).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@each_kernel
def test_a_step_returns_the_loss_of_its_closure(name: str) -> None:
    """The closure computes gradients, and the step uses them."""
    weight = nn.Parameter(torch.ones(1))

    def closure() -> float:
        loss = (3 * weight).sum()
        loss.backward()
        return float(loss.detach())

    assert build(OPTIMIZERS[name], [weight]).step(closure) == 3
    assert float(weight.detach()) < 1


def test_no_step_loads_a_compiler_of_python() -> None:
    """torch._dynamo costs a worker a second and 150 MiB; building, stepping and clearing gradients need none of it."""
    script = """
import sys, torch
from bench.axes import OPTIMIZERS
from bench.optimizers import build
for optimizer in OPTIMIZERS.values():
    weight = torch.nn.Parameter(torch.ones(3, 2))
    made = build(optimizer, [weight], [weight])
    weight.sum().backward()
    made.step(), made.zero_grad()
    assert weight.lt(1).any() or optimizer.rule in ("soap", "schedule-free"), optimizer
    assert weight.grad is None
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
