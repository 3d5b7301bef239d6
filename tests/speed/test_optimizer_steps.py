"""One step of each optimizer over one of fused Adam: `pytest tests/speed --benchmark-enable -s` prints the ratios."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from test_speed import compare
from torch import nn

from bench import worker
from bench.axes import OPTIMIZERS
from bench.optimizers import build

NETWORKS = {
    "words": ([nn.Embedding(10_000, 200), nn.LSTM(200, 200, 2), nn.Linear(200, 10_000)], 60),  # 4.65 M in 11 tensors
    "series": ([nn.LSTM(7, 64, 2), nn.Linear(64, 1)], 300),  # 52 k in 10 tensors: the time is Python's
}
"""Modules, and how many pairs."""


@pytest.fixture(autouse=True)
def _prepared() -> Iterator[None]:
    """The settings of a worker, and torch's own afterwards."""
    before = torch.are_deterministic_algorithms_enabled()
    worker.prepare()
    yield
    torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize("network", list(NETWORKS))
@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_optimizer_against_adam(benchmark: BenchmarkFixture, name: str, network: str) -> None:
    """One step over fused Adam's; Adam itself shows what noise there is."""
    modules, pairs = NETWORKS[network]

    def stepper(rule: str) -> Callable[[], object]:
        weights, hidden = [], []
        for module in modules:
            fresh = [nn.Parameter(weight.detach().clone()) for weight in module.parameters()]
            weights += fresh
            hidden += fresh if isinstance(module, nn.LSTM) else []
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        return build(OPTIMIZERS[rule], weights, hidden).step

    compare(benchmark, stepper(name), stepper("adam"), pairs)
