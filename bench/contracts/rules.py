"""What an update rule keeps: on a quadratic, where everything is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from bench.contracts import hold
from bench.optimizers import build
from bench.spec import Optimizer

STEPS = 30
CURVATURE = 0.1
"""Small enough for the largest learning rate of the tables."""


def _weights() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((6, 4), (3,))]


def _loss(weights: Iterable[nn.Parameter]) -> torch.Tensor:
    return sum((CURVATURE / 2 * weight.square().sum() for weight in weights), torch.zeros(()))


def _steps(optimizer: torch.optim.Optimizer, weights: list[nn.Parameter], count: int) -> None:
    for _ in range(count):
        optimizer.zero_grad(set_to_none=True)
        _loss(weights).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def descends(value: Optimizer) -> str | None:
    """steps on a quadratic lower it"""
    weights = _weights()
    before = float(_loss(weights).detach())
    _steps(build(value, weights, weights), weights, STEPS)
    after = float(_loss(weights).detach())
    hold(after < before, f"{STEPS} steps on a quadratic move it from {before:.4g} to {after:.4g}")
    return None


def repeats(value: Optimizer) -> str | None:
    """the same steps give the same bits"""
    ends = []
    for noise in (0, 1):
        torch.manual_seed(noise)
        weights = _weights()
        _steps(build(value, weights, weights), weights, 5)
        ends.append(weights)
    hold(all(torch.equal(a, b) for a, b in zip(*ends, strict=True)), "two equal runs end in different bits")
    return None


def resumes(value: Optimizer) -> str | None:
    """its state, taken out and put into a new one, goes on to the same bits"""
    whole, broken = _weights(), _weights()
    _steps(build(value, whole, whole), whole, 8)
    first = build(value, broken, broken)
    _steps(first, broken, 4)
    second = build(value, broken, broken)
    second.load_state_dict(first.state_dict())
    _steps(second, broken, 4)
    same = all(torch.equal(a, b) for a, b in zip(whole, broken, strict=True))
    hold(same, "a run that goes on from state_dict() ends in other bits: keep all there is to remember in self.state")
    return None


CHECKS: tuple[Callable[[Optimizer], str | None], ...] = (descends, repeats, resumes)
