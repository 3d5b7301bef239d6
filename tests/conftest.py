"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

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


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this module's own."""
    made = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSTM_BENCH_CACHE", str(made))
        yield made


@pytest.fixture
def text_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a folder of its own for prepared texts; kernels stay where they are."""
    monkeypatch.setattr("tasks.data.symbols.places", SimpleNamespace(cache=lambda: tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that look for kernels find none: in a new cache folder they would be built anew."""
    monkeypatch.setattr("bench.native.problem", lambda *_, **__: "not for this test")
