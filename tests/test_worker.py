"""A worker as the pool starts it: one thread, heap kept, deterministic, and nothing loaded that no run needs."""

from __future__ import annotations

import platform
import statistics
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pebble import ProcessPool
from toys import tiny

from bench.axes import ARCHITECTURES, OPTIMIZERS
from bench.execute import pool

UNWANTED = ("torch._dynamo", "pandas", "seaborn", "matplotlib")
"""What no run needs, and takes a second and more to load."""


def settings() -> dict[str, Any]:
    """What a worker finds when its first run begins."""
    import torch

    return {
        "threads": torch.get_num_threads(),
        "parallel": torch.__config__.parallel_info(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "fill": torch.utils.deterministic.fill_uninitialized_memory,
        "denormal": float(torch.tensor(1e-38) * 1e-2),
        "tf32": torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32,
    }


def faults() -> float:
    """Page faults of a tensor of 64 MiB where the last one was: the median of ten, each freed before the next."""
    import resource

    import torch

    found = []
    for _ in range(11):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.zeros(2**24).add_(1)
        found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return statistics.median(found[1:])


def loaded() -> list[str]:
    """What of UNWANTED is loaded after a run of each family and of each optimizer."""
    from bench.run import run_one

    specs = [tiny(optimizer=optimizer) for optimizer in OPTIMIZERS.values()]
    specs += [tiny("speech/connected"), tiny("language/grammar", architecture=ARCHITECTURES["attention"])]
    assert [record.reason for record in map(run_one, specs) if record.status != "ok"] == []
    return sorted(set(UNWANTED) & set(sys.modules))


@pytest.fixture(scope="module")
def workshop() -> Iterator[ProcessPool]:
    with pool(1) as started:
        yield started


def told(workshop: ProcessPool, question: Callable[[], Any]) -> Any:
    """The answer of the worker."""
    return workshop.schedule(question, timeout=120).result()


@pytest.fixture(scope="module")
def found(workshop: ProcessPool) -> dict[str, Any]:
    return told(workshop, settings)


def test_one_thread(found: dict[str, Any]) -> None:
    """torch, OpenMP and MKL each have one."""
    assert found["threads"] == 1
    counts = [line for line in found["parallel"].splitlines() if "get_max_threads() :" in line]
    assert counts
    assert all(line.split(":")[-1].strip() == "1" for line in counts)


def test_deterministic_without_the_fill(found: dict[str, Any]) -> None:
    """Deterministic algorithms, but fresh memory is not filled: that is all of the mode's cost."""
    assert found["deterministic"]
    assert not found["fill"]


def test_denormals_are_zero(found: dict[str, Any]) -> None:
    """A product too small for a normal number is zero."""
    assert found["denormal"] == 0


def test_no_tf32(found: dict[str, Any]) -> None:
    """Neither cuBLAS nor cuDNN rounds to ten bits."""
    assert not found["tf32"]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heap is kept by glibc")
def test_the_heap_is_kept(workshop: ProcessPool) -> None:
    """Memory that was freed is used again as it stands: next to no page faults, of 16,384."""
    assert told(workshop, faults) < 100


def test_a_run_loads_nothing_that_it_does_not_need(workshop: ProcessPool) -> None:
    """No plots and no compiler of Python in a worker, whichever rule and family it has run."""
    assert told(workshop, loaded) == []
