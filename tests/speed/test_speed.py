"""Timings: `pytest tests/speed --benchmark-enable`. They report and never fail.

Ratios come from pairs interleaved in one process and stand in `extra_info`, which `--benchmark-json FILE` writes and
`--benchmark-columns` leaves room for: pytest-benchmark itself times whole tests and keeps no pairs.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from time import perf_counter

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

from bench import worker
from bench.axes import OPTIMIZERS, STABILISATIONS
from bench.cells import CELLS
from bench.core import scan
from bench.execute import in_processes, run_one
from bench.matrices import QUICK
from bench.network import Network, Shape
from bench.optimizers import build
from bench.pairs import rounds
from bench.plan import Filters, plan
from bench.rng import stream
from bench.spec import Architecture, Budget, Stabilisation
from bench.train import fit
from tasks.base import Batch, Sequences, Tally
from tasks.cards import Card

TIME, BATCH, INPUTS, HIDDEN, LAYERS, BATCHES = 96, 32, 7, 64, 2, 20  # the series workload


@pytest.fixture(scope="module", autouse=True)
def _prepared() -> Iterator[None]:
    """The settings of a worker, and torch's own afterwards."""
    before = torch.are_deterministic_algorithms_enabled()
    worker.prepare()
    yield
    torch.use_deterministic_algorithms(before)


def seconds(step: Callable[[], object]) -> Callable[[], float]:
    """`step`, returning the seconds it took."""

    def timed() -> float:
        start = perf_counter()
        step()
        return perf_counter() - start

    return timed


def compare(benchmark: BenchmarkFixture, mine: Callable[[], object], other: Callable[[], object], count: int) -> None:
    """Interleave the two and keep the median of ratios and the ratio of minima beside the benchmark."""
    mine(), other()
    taken = benchmark.pedantic(lambda: rounds(count, seconds(mine), seconds(other)), rounds=1)
    benchmark.extra_info["median ratio"] = statistics.median(a / b for a, b in taken)
    benchmark.extra_info["ratio of minima"] = min(a for a, _ in taken) / min(b for _, b in taken)
    print(f"\n{benchmark.name}: {benchmark.extra_info}")


class Series:
    """Random sequences of the series workload's shape."""

    card = Card("toy/series", "toy", "mse", "lower", "", "tests")
    inputs, outputs, symbols, per_step, time = INPUTS, 1, False, False, TIME

    def __init__(self) -> None:
        x = torch.randn(BATCHES * BATCH, TIME, INPUTS)
        self.train = self.valid = self.test = Sequences(x, x.mean((1, 2)).unsqueeze(1))

    def loss(self, out: torch.Tensor, batch: Batch) -> torch.Tensor:
        return nn.functional.mse_loss(out, batch.y)

    def tally(self, out: torch.Tensor, batch: Batch) -> Tally:
        return {"loss": float((out - batch.y).square().sum()), "count": float(len(out))}

    def metrics(self, tally: Tally) -> dict[str, float]:
        return {"loss": tally["loss"] / tally["count"], "mse": tally["loss"] / tally["count"]}

    def naive(self) -> dict[str, float]:
        return {}


def test_training_loop_against_a_bare_one(benchmark: BenchmarkFixture) -> None:
    """fit() beside a loop written by hand with nn.LSTM, Adam and clipping: an epoch of the series workload each."""
    task, recipe = Series(), Stabilisation(clip_norm=1.0)
    model = Network(Shape.of(task), Architecture(depth=LAYERS), recipe, HIDDEN, seed=0)
    optimizer = build(OPTIMIZERS["adam"], model.parameters())
    # one point of the curve on a single sequence: evaluation is outside the clock, and here next to nothing
    budget = Budget(1_000, BATCH, BATCHES, BATCHES, curve=1, seconds=60)
    lstm, head = nn.LSTM(INPUTS, HIDDEN, LAYERS, batch_first=True), nn.Linear(HIDDEN, 1)
    weights = [*lstm.parameters(), *head.parameters()]
    adam = torch.optim.Adam(weights, 0.01, fused=True)
    x, y = task.train.x, task.train.y

    def ours() -> float:
        return fit(model, task, recipe, optimizer, budget, stream(0, "order")).seconds

    def bare() -> float:
        start = perf_counter()
        for index in torch.randperm(len(x)).split(BATCH):
            loss = nn.functional.mse_loss(head(lstm(x[index])[0][:, -1]), y[index])
            adam.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            adam.step()
        return perf_counter() - start

    ours(), bare()
    taken = benchmark.pedantic(lambda: rounds(15, ours, bare), rounds=1)
    benchmark.extra_info["median ratio"] = statistics.median(a / b for a, b in taken)
    benchmark.extra_info["ratio of minima"] = min(a for a, _ in taken) / min(b for _, b in taken)
    print(f"\n{benchmark.name}: {benchmark.extra_info}")


def test_two_workers_against_one(benchmark: BenchmarkFixture) -> None:
    """Runs a minute of two one-thread workers over those of one, on runs of the preset quick."""
    chosen = Filters(task=("series/mackey-glass",), architecture=("lstm",), optimizer=("adam",), seeds=tuple(range(12)))
    specs = plan(QUICK, replace(chosen, stabilisation=("none",)), ["cpu"]).runs
    longer = [replace(spec, budget=replace(spec.budget, steps=600, evaluate=600)) for spec in specs]

    def runs_a_minute(workers: int) -> float:
        records = in_processes(run_one, longer, None, workers)
        for _ in islice(records, workers):  # the first run of each worker pays for its start
            pass
        start = perf_counter()
        count = sum(1 for _ in records)
        return 60 * count / (perf_counter() - start)

    def both() -> list[tuple[float, float]]:
        return [(runs_a_minute(2), runs_a_minute(1)) for _ in range(3)]

    taken = benchmark.pedantic(both, rounds=1)
    benchmark.extra_info["runs a minute, two workers and one"] = taken
    benchmark.extra_info["median ratio"] = statistics.median(two / one for two, one in taken)
    print(f"\n{benchmark.name}: {benchmark.extra_info}")


@pytest.mark.parametrize("recipe", ["none", "relu", "batch-norm", "recurrent-bn"])
@pytest.mark.parametrize("name", list(CELLS))
def test_cell_against_lstm(benchmark: BenchmarkFixture, name: str, recipe: str) -> None:
    """Forward and backward of one layer over nn.LSTM of the same shape."""
    x = torch.randn(TIME, BATCH, INPUTS)
    setting = STABILISATIONS[recipe]
    cell, twin = CELLS[name](INPUTS, HIDDEN, setting, TIME), nn.LSTM(INPUTS, HIDDEN)
    compare(benchmark, lambda: scan([cell], x)[0].sum().backward(), lambda: twin(x)[0].sum().backward(), 15)


def test_feeding(benchmark: BenchmarkFixture) -> None:
    """One training epoch of batches, without a model."""
    train = Series().train
    benchmark(lambda: [batch.x.sum() for batch in islice(train.shuffled(BATCH, stream(0, "order")), BATCHES)])
