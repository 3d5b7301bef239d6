"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real datasets: LSTM_BENCH_DATA, or `../shared/data` beside the checkout; skips without one."""
    folder = Path(os.environ.get("LSTM_BENCH_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real datasets here: set LSTM_BENCH_DATA to a folder that holds them")
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Every test computes on one thread, as a worker does, and starts with the numbers that Python has: a test that
    makes its process ready as a worker leaves it without the smallest ones, which hypothesis draws."""
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(False)
