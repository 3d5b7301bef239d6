"""Two workers on Ray beside two local ones: `pytest tests/speed/test_cluster_throughput.py --benchmark-enable -s`.

Both crews are warm before the clock starts. They take turns at equal runs of a tenth of a second or two, in a random
order within a round, each idle while the other works. LSTM_BENCH_CLUSTER_ROUNDS is how many rounds there are (8).
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from time import perf_counter

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.execute import in_processes, run_one
from bench.matrices import QUICK
from bench.pairs import median_interval, rounds
from bench.plan import Filters, plan
from bench.record import RunRecord

pytest.importorskip("ray", reason="Ray is an extra: pip install 'lstm-training-bench[ray]'")

ROUNDS, RUNS, STEPS, WORKERS = int(os.environ.get("LSTM_BENCH_CLUSTER_ROUNDS", "8")), 20, 100, 2


def turn(records: Iterator[RunRecord]) -> Callable[[], float]:
    """A step: the seconds of the next RUNS runs, after those that were made while the other crew had its turn."""

    def seconds() -> float:
        for _ in range(WORKERS):
            next(records)
        start = perf_counter()
        made = [next(records).status for _ in range(RUNS)]
        taken = perf_counter() - start
        assert set(made) == {"ok"}
        return taken

    return seconds


def test_two_workers_on_ray_against_two_local_ones(benchmark: BenchmarkFixture) -> None:
    """Throughput on Ray over that of local processes, run for run."""
    from bench.cluster import on_ray

    (spec,) = plan(QUICK, Filters(("series/mackey-glass",), ("lstm",), ("none",), ("adam",), (0,)), ["cpu"]).runs
    short = replace(spec, budget=replace(spec.budget, steps=STEPS, evaluate=STEPS))
    jobs = [replace(short, seed=seed) for seed in range((ROUNDS + 1) * (RUNS + WORKERS) + WORKERS)]
    with (
        closing(on_ray(run_one, jobs, None, WORKERS)) as cluster,
        closing(in_processes(run_one, jobs, None, WORKERS)) as local,
    ):
        rounds(1, turn(cluster), turn(local))  # workers start, and load the task
        taken = benchmark.pedantic(lambda: rounds(ROUNDS, turn(cluster), turn(local)), rounds=1)
    ratios = [theirs / ours for ours, theirs in taken]
    benchmark.extra_info["seconds a run"] = statistics.median(ours for ours, _ in taken) * WORKERS / RUNS
    benchmark.extra_info["throughput on Ray over local"] = statistics.median(ratios)
    benchmark.extra_info["interval of the median"] = median_interval(ratios)
    print(f"\n{benchmark.name}: {benchmark.extra_info}")
